//! Forms with a file, as browsers send them (RFC 7578). They are small and whole in memory.

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;

/// One field of the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UploadField {
    name: String,
    /// The name of the file, if the field is one.
    file_name: Option<String>,
    content: Bytes,
}

/// The fields of a form.
#[derive(Debug)]
pub(super) struct UploadForm(Vec<UploadField>);

impl UploadForm {
    /// Reads the fields; `None` for anything that is not such a form.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let boundary = content_type.strip_prefix("multipart/form-data")?.split_once("boundary=")?.1.trim_matches('"');
        Some(Self(fields(boundary, body)?))
    }

    /// The text of a field; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|field| field.name == name);
        field.and_then(|field| std::str::from_utf8(&field.content).ok()).unwrap_or_default()
    }

    /// A file: its name and content. A browser sends a field without a chosen file with an empty name.
    pub(super) fn file(&self, name: &str) -> Option<(&str, &Bytes)> {
        let field = self.0.iter().find(|field| field.name == name)?;
        Some((field.file_name.as_deref().filter(|name| !name.is_empty())?, &field.content))
    }
}

fn fields(boundary: &str, body: &Bytes) -> Option<Vec<UploadField>> {
    let mark = format!("--{boundary}").into_bytes();
    let mut rest = body.get(find(body, &mark)? + mark.len()..)?;
    let mut fields = Vec::new();
    // The last mark is followed by two hyphens instead of a line end.
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, &mark)?;
        let head_end = find(part.get(..end)?, b"\r\n\r\n")?;
        let content = part.get(head_end + 4..end)?.strip_suffix(b"\r\n")?;
        let head = std::str::from_utf8(part.get(..head_end)?).ok()?;
        fields.push(UploadField {
            name: parameter(head, " name=\"")?,
            file_name: parameter(head, " filename=\""),
            content: body.slice_ref(content),
        });
        rest = part.get(end + mark.len()..)?;
    }
    rest.starts_with(b"--").then_some(fields)
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    Some(line.split_once(name)?.1.split('"').next()?.to_owned())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file_is_read_as_browsers_send_it() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"do\"\r\n\r\ncheck\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n\
                    a,b\r\n1,2\r\n\r\n--x--\r\n";
        let form = UploadForm(fields("x", &Bytes::from(body)).unwrap());
        assert_eq!((form.text("do"), form.text("other")), ("check", ""));
        assert_eq!(form.file("file").unwrap(), ("a.csv", &Bytes::from("a,b\r\n1,2\r\n")));
        assert!(form.file("do").is_none());
    }

    #[test]
    fn a_form_that_is_cut_or_malformed_is_refused() {
        let whole = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--";
        assert!(fields("x", &Bytes::from(whole)).is_some());
        for cut in 0..whole.len() {
            assert!(fields("x", &Bytes::copy_from_slice(&whole.as_bytes()[..cut])).is_none(), "{cut}");
        }
        assert!(fields("y", &Bytes::from(whole)).is_none());
    }
}
