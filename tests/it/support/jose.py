"""Encrypts and decrypts as a processor would, with a library that is not ours. A JSON document in, a text out."""
import base64
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from joserfc import jwe
from joserfc.jwk import RSAKey


def imported(text, written):
    if written == "pem":
        return RSAKey.import_key(text)
    if written == "pem-base64":
        return RSAKey.import_key(base64.b64decode(text, validate=True))
    key = load_der_public_key(base64.b64decode(text, validate=True))
    return RSAKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


asked = json.load(sys.stdin)
if "seal" in asked:
    header = asked["header"]
    key = imported(asked["publicKey"], asked["format"])
    algorithms = [header["alg"], header["enc"]] + (["DEF"] if "zip" in header else [])
    sys.stdout.write(jwe.encrypt_compact(header, asked["seal"], key, algorithms=algorithms))
else:
    key = RSAKey.import_key(asked["privateKey"])
    opened = jwe.decrypt_compact(asked["open"], key, algorithms=["RSA-OAEP-256", "A256GCM"])
    assert opened.headers() == {"alg": "RSA-OAEP-256", "enc": "A256GCM"}, opened.headers()
    sys.stdout.write(opened.plaintext.decode())
