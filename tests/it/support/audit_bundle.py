# Verifies a bundle of the audit log from its first event, straight from the specifications: RFC 6962 section 2.1,
# c2sp.org/signed-note, c2sp.org/tlog-checkpoint and c2sp.org/tlog-tiles. Shares nothing with otpost.
# A bundle that begins later is verified together with the bundles before it.
import base64, hashlib, json, os, struct, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

asked = json.load(sys.stdin)
folder = asked["dir"]
folders = [folder, *asked.get("earlier", [])]
name, key_id, key = asked["key"].strip().split("+", 2)
key = base64.b64decode(key)
assert key[0] == 1, "Ed25519"
assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id
public = Ed25519PublicKey.from_public_bytes(key[1:])


def opened(note):
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if dash == "—" and signer == name and signature[:4].hex() == key_id:
            public.verify(signature[4:], text.encode())
            origin, size, root = text.splitlines()[:3]
            assert origin == name
            return int(size), base64.b64decode(root)
    raise ValueError("not signed")


def tree_hash(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def path(number, width):
    parts = ["%03d" % (number % 1000)]
    while number >= 1000:
        number //= 1000
        parts.insert(0, "x%03d" % (number % 1000))
    file = os.path.join("tile/entries", *parts) + ("" if width == 256 else ".p/%d" % width)
    return next(path for path in (os.path.join(folder, file) for folder in folders) if os.path.exists(path))


def leaves(size):
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        with open(path(number, width), "rb") as file:
            for _ in range(width):
                (length,) = struct.unpack(">H", file.read(2))
                yield file.read(length)
            assert file.read() == b""


with open(os.path.join(folder, "checkpoint")) as file:
    size, root = opened(file.read())
entries = list(leaves(size))
assert tree_hash(entries) == root, "another root"
checkpoints = 1
for earlier in sorted(os.listdir(os.path.join(folder, "checkpoints"))) if os.path.isdir(os.path.join(folder, "checkpoints")) else []:
    with open(os.path.join(folder, "checkpoints", earlier)) as file:
        at, root = opened(file.read())
    assert tree_hash(entries[:at]) == root, "another root at %d" % at
    checkpoints += 1
kinds = {}
for index, entry in enumerate(entries):
    leaf = json.loads(entry)
    assert leaf["index"] == index
    kinds[leaf["kind"]] = kinds.get(leaf["kind"], 0) + 1
json.dump({"size": size, "checkpoints": checkpoints, "kinds": kinds}, sys.stdout)
