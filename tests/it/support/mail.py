# Reads a mail as its reader's program would, with Python's own parser, and says what it found.
import email
import email.policy
import json
import sys

raw = json.load(sys.stdin)["mail"].encode("ascii")
mail = email.message_from_bytes(raw, policy=email.policy.default)
defects = [repr(defect) for part in mail.walk() for defect in part.defects]
defects += [f"{name}: {defect!r}" for name, value in mail.items() for defect in value.defects]
parts = [part for part in mail.walk() if not part.is_multipart()]
json.dump(
    {
        "headers": [(name, str(value)) for name, value in mail.items()],
        "head": raw.split(b"\r\n\r\n")[0].decode("ascii"),
        "parts": [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in parts],
        "longest_line": max(len(line) for line in raw.split(b"\r\n")),
        "defects": defects,
    },
    sys.stdout,
)
