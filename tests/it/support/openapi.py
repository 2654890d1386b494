"""Judges a description, and bodies by it, with libraries that are not ours. A JSON document in, one out."""
import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

asked = json.load(sys.stdin)
description = asked["description"]
faults = [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()]


def judge(path):
    body = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return Draft202012Validator({"components": description["components"], **body})


judges = {path: judge(path) for path in {path for path, _ in asked["bodies"]}}
valid = [judges[path].is_valid(body) for path, body in asked["bodies"]]
json.dump({"faults": faults, "valid": valid}, sys.stdout)
