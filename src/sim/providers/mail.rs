//! Reads an e-mail: its subject and its plain-text part (RFC 2045, 2046, 2047).
//!
//! It supports what mail libraries write, and expects UTF-8.

use super::fields::{text_of, unescape};

/// Enough for an e-mail with attachments.
const DEPTH_MAX: usize = 4;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReceivedMail {
    pub(super) subject: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) text: String,
}

impl ReceivedMail {
    pub(super) fn read(raw: &[u8]) -> Self {
        let part = MimePart::read(raw);
        Self {
            subject: part.header("subject").map(|subject| decode_words(&subject)),
            message_id: part.header("message-id").map(|id| id.trim_matches(['<', '>']).to_owned()),
            text: part.plain_text(DEPTH_MAX).unwrap_or_default().replace("\r\n", "\n").trim_end().to_owned(),
        }
    }
}

struct MimePart<'a> {
    head: String,
    body: &'a [u8],
}

impl<'a> MimePart<'a> {
    fn read(raw: &'a [u8]) -> Self {
        let (head, body) = match find(raw, b"\r\n\r\n") {
            Some(at) => (&raw[..at], &raw[at + 4..]),
            None => (raw, &[][..]),
        };
        // A line that begins with white space continues the previous one.
        let head = text_of(head).replace("\r\n ", " ").replace("\r\n\t", " ");
        Self { head, body }
    }

    fn header(&self, wanted: &str) -> Option<String> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
    }

    fn plain_text(&self, depth: usize) -> Option<String> {
        let kind = self.header("content-type").unwrap_or_else(|| "text/plain".into());
        if kind.to_ascii_lowercase().starts_with("multipart/") {
            let parts = split(self.body, &boundary(&kind)?);
            return parts.into_iter().filter(|_| depth > 0).find_map(|part| MimePart::read(part).plain_text(depth - 1));
        }
        kind.to_ascii_lowercase().starts_with("text/plain").then(|| text_of(&self.decoded()))
    }

    fn decoded(&self) -> Vec<u8> {
        match self.header("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase().as_str() {
            "base64" => from_base64(self.body),
            "quoted-printable" => from_quoted_printable(self.body),
            _ => self.body.to_vec(),
        }
    }
}

fn boundary(kind: &str) -> Option<String> {
    let is_name = |name: &str| name.trim().eq_ignore_ascii_case("boundary");
    let parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    parameters.filter(|(name, _)| is_name(name)).map(|(_, value)| value.trim().trim_matches('"').to_owned()).next()
}

fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = find(body, mark.as_bytes()).map_or(&[][..], |at| &body[at + mark.len()..]);
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let Some(end) = find(after, mark.as_bytes()) else { break };
        parts.push(after[..end].strip_suffix(b"\r\n").unwrap_or(&after[..end]));
        rest = &after[end + mark.len()..];
    }
    parts
}

/// Where `wanted` begins.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn from_base64(text: &[u8]) -> Vec<u8> {
    let text: String = text.iter().filter(|byte| byte.is_ascii_graphic()).copied().map(char::from).collect();
    openssl::base64::decode_block(&text).unwrap_or_default()
}

fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // An equals sign at the end of a line joins it to the next one.
        let joined = line.strip_suffix(b"=\r\n").or_else(|| line.strip_suffix(b"="));
        bytes.extend(unescape(joined.unwrap_or(line), b'='));
    }
    bytes
}

// Bytes are joined before they become text: a character may be spread over two encoded words.
fn decode_words(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let Some((word, length)) = encoded_word(&rest[start..]) else { break };
        // Blanks between two encoded words are only there to separate them.
        if !(after_word && rest[..start].trim().is_empty()) {
            bytes.extend_from_slice(&rest.as_bytes()[..start]);
        }
        bytes.extend(word);
        rest = &rest[start + length..];
        after_word = true;
    }
    bytes.extend_from_slice(rest.as_bytes());
    text_of(&bytes)
}

// `=?charset?encoding?text?=` as bytes, and how long it was.
fn encoded_word(text: &str) -> Option<(Vec<u8>, usize)> {
    let mut fields = text.strip_prefix("=?")?.splitn(4, '?');
    let (charset, encoding, encoded) = (fields.next()?, fields.next()?, fields.next()?);
    fields.next()?.strip_prefix('=')?;
    let bytes = match encoding {
        "B" | "b" => from_base64(encoded.as_bytes()),
        "Q" | "q" => unescape(encoded.replace('_', " ").as_bytes(), b'='),
        _ => return None,
    };
    Some((bytes, "=?".len() + charset.len() + "?Q?".len() + encoded.len() + "?=".len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_of_a_subject_are_read() {
        assert_eq!(decode_words("Kod =?utf-8?Q?p=C5=82atno=C5=9Bci?= 1"), "Kod płatności 1");
        assert_eq!(decode_words("=?utf-8?b?WmHFvMOzxYLEhyBnxJk=?= =?utf-8?B?xZtsxIU=?="), "Zażółć gęślą");
        assert_eq!(decode_words("a =? b"), "a =? b");
    }

    #[test]
    fn the_plain_part_is_found_among_others() {
        let raw = "Subject: Test\r\nContent-Type: multipart/alternative;\r\n boundary=\"xx\"\r\n\r\n\
            --xx\r\nContent-Type: text/html\r\n\r\n<b>no</b>\r\n\
            --xx\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Za=C5=BC=C3=B3=C5=82=C4=87, joined =\r\nline\r\nnext\r\n--xx--\r\n";
        let mail = ReceivedMail::read(raw.as_bytes());
        assert_eq!(mail.text, "Zażółć, joined line\nnext");
        assert_eq!(mail.subject.as_deref(), Some("Test"));
    }

    #[test]
    fn a_broken_mail_is_read_as_far_as_it_goes() {
        for raw in [
            "",
            "Subject",
            "Content-Type: multipart/mixed\r\n\r\n--x",
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
        ] {
            assert_eq!(ReceivedMail::read(raw.as_bytes()).text, "", "{raw:?}");
        }
    }
}
