# Checks the DKIM signature of a mail with the record that its domain would have in DNS.
import json
import sys

import dkim

asked = json.load(sys.stdin)
records = {asked["name"].encode("ascii"): asked["record"].encode("ascii")}
verdict = dkim.verify(asked["mail"].encode("utf-8"), dnsfunc=lambda name, timeout=5: records.get(name))
sys.stdout.write(str(verdict))
