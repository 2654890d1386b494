# Reads a dossier as another PDF program does: is it tagged, in which language, are its fonts in it, what is attached?
import io, json, sys
import pikepdf

asked = json.load(sys.stdin)
fonts = {}
with pikepdf.open(asked["file"]) as pdf:
    root = pdf.Root
    for page in pdf.pages:
        for font in page.Resources.get("/Font", {}).values():
            below = font.DescendantFonts[0]
            assert "/ToUnicode" in font, "text could not be copied"
            assert "/FontFile2" in below.FontDescriptor or "/FontFile3" in below.FontDescriptor, "not embedded"
            fonts[str(below.BaseFont).split("+")[-1]] = True
        assert page.get("/Tabs") == "/S", "the order of reading"
        assert "/StructParents" in page

    pages = [page.obj.objgen for page in pdf.pages]
    links = []
    for page in pdf.pages:
        for annotation in page.get("/Annots", []):
            assert annotation.Subtype == "/Link" and "/StructParent" in annotation
            target = annotation.get("/Dest", None)
            links.append([str(annotation.Contents), pages.index(target[0].objgen) + 1])

    elements = {}

    def count(element):
        if isinstance(element, pikepdf.Array):
            for child in element:
                count(child)
        elif isinstance(element, pikepdf.Dictionary):
            if "/S" in element:
                elements[str(element.S)] = elements.get(str(element.S), 0) + 1
            if "/K" in element:
                count(element.K)

    count(root.StructTreeRoot.K)
    with pdf.open_metadata() as metadata:
        part = str(metadata.get("pdfuaid:part"))
        archive = f"{metadata.get('pdfaid:part')}{metadata.get('pdfaid:conformance')}"
    json.dump(
        {
            "pages": len(pdf.pages),
            "marked": bool(root.MarkInfo.Marked),
            "language": str(root.Lang),
            "title_shown": bool(root.ViewerPreferences.DisplayDocTitle),
            "part": part,
            "archive": archive,
            "links": links,
            "fonts": sorted(fonts),
            "elements": elements,
            "outline": "/Outlines" in root,
            "files": {name: file.get_file().read_bytes().decode() for name, file in pdf.attachments.items()},
        },
        sys.stdout,
    )
