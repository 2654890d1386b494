# Reads a message as Google's own description of the API has it: unknown names, wrong types and unknown words are errors.
import json
import os
import sys

import googleapiclient
import jsonschema

folder = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents")
with open(os.path.join(folder, "fcm.v1.json"), encoding="utf-8") as file:
    described = json.load(file)["schemas"]


def schema(node):
    if "$ref" in node:
        return {"$ref": "#/$defs/" + node["$ref"]}
    kind = node.get("type", "object")
    if kind == "any":
        return {}
    found = {"type": kind}
    if "enum" in node:
        found["enum"] = node["enum"]
    if kind == "array":
        found["items"] = schema(node["items"])
    if "properties" in node:
        found["properties"] = {name: schema(value) for name, value in node["properties"].items()}
        found["additionalProperties"] = False
    elif "additionalProperties" in node:
        found["additionalProperties"] = schema(node["additionalProperties"])
    return found


rules = {"$ref": "#/$defs/SendMessageRequest", "$defs": {name: schema(node) for name, node in described.items()}}
if __name__ == "__main__":
    for error in jsonschema.Draft202012Validator(rules).iter_errors(json.load(sys.stdin)):
        print("/".join(map(str, error.absolute_path)), error.message)
