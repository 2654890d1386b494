import json, sys
from prometheus_client.parser import text_string_to_metric_families

told = []
for family in text_string_to_metric_families(json.load(sys.stdin)["text"]):
    samples = [[sample.name, sample.labels, sample.value] for sample in family.samples]
    told.append({"name": family.name, "type": family.type, "help": family.documentation, "samples": samples})
json.dump(told, sys.stdout)
