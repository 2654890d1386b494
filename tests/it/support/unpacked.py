# Everything that is readable in a file: the members of an XLSX, the text and the streams of a PDF.
import json, subprocess, sys, zipfile
import pikepdf

path = json.load(sys.stdin)["file"]
if path.endswith(".xlsx"):
    with zipfile.ZipFile(path) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
else:
    parts = [subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True).stdout]
    with pikepdf.open(path) as pdf:
        for thing in pdf.objects:
            parts.append(thing.read_bytes() if isinstance(thing, pikepdf.Stream) else str(thing).encode())
sys.stdout.write("\n".join(part.decode("latin-1") for part in parts))
