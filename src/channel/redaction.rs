//! Removes what we sent from what a provider answers, so that the rest can be kept for operators.
//!
//! Gateways repeat the message in their answers. Every piece of the message, the contact, the code and the credentials is
//! cut out: in clear, escaped for JSON, URLs or HTML, in base64 or in hexadecimal. Then every run of three or more digits is
//! masked. Only letters and digits are compared, so that other separators and line breaks hide nothing.

use std::collections::HashSet;

use openssl::base64::encode_block;
use zeroize::Zeroizing;

use super::unescape::{unescape, without_tags};
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::secret::RenderedText;

/// The most that is looked at of an answer, in bytes.
const ANSWER_MAX: usize = 2 * 1024;

/// The most that is kept of an answer, in characters.
const EXCERPT_MAX: usize = 200;

/// Stands for what was cut out.
pub(super) const MASK: &str = "***";

/// From this length on, digits are masked: a code has at least four, and no status that matters has three.
const DIGITS_MIN: usize = 3;

/// The shortest piece of a secret that is cut out, in letters and digits. A provider may repeat a text only in part.
const CODE_PIECE: usize = 3;
const CONTACT_PIECE: usize = 6;
const TEXT_PIECE: usize = 8;

/// The longest error code of a provider that is kept, in characters.
const ERROR_CODE_MAX: usize = 32;

/// The secrets of one message.
pub(super) struct Redactor(Vec<SecretForm>);

/// A secret as it may be written, reduced to letters and digits.
struct SecretForm {
    letters: Zeroizing<Vec<char>>,
    piece: usize,
}

impl Redactor {
    /// Removes the texts of `message`, its contact and its code.
    pub(super) fn of(message: &OutboundMessage) -> Self {
        let mut all = Self(Vec::new());
        all.add(message.to.expose(), CONTACT_PIECE);
        if let Some(code) = &message.code {
            all.add(code.reveal(), CODE_PIECE);
        }
        match &message.rendered {
            RenderedMessage::Sms { text } => all.add_texts([text]),
            RenderedMessage::Push { title, body } => all.add_texts([title, body]),
            RenderedMessage::Email { subject, text, .. } => all.add_texts([subject, text]),
        }
        all
    }

    /// Removes `value`, too, unless it is so short that it says nothing.
    pub(super) fn and(mut self, value: &str) -> Self {
        if letters(value).len() >= TEXT_PIECE {
            self.add(value, TEXT_PIECE);
        }
        self
    }

    fn add_texts<const N: usize>(&mut self, texts: [&RenderedText; N]) {
        for text in texts {
            self.add(text.reveal(), TEXT_PIECE);
        }
    }

    fn add(&mut self, secret: &str, piece: usize) {
        let mut form = |text: &str, piece: usize| {
            let letters = Zeroizing::new(letters(text));
            let piece = piece.min(letters.len());
            if piece > 0 {
                self.0.push(SecretForm { letters, piece });
            }
        };
        form(secret, piece);
        form(&Zeroizing::new(hex::encode(secret)), 2 * piece);
        // Gateways write a text of UCS-2 in hexadecimal.
        let utf16: Zeroizing<Vec<u8>> = Zeroizing::new(secret.encode_utf16().flat_map(u16::to_be_bytes).collect());
        form(&Zeroizing::new(hex::encode(&*utf16)), 4 * piece);
        // Base64 looks different for each of the three places that the secret can begin at within a group.
        for before in 0..3 {
            let shifted = Zeroizing::new([vec![0; before], secret.as_bytes().to_vec()].concat());
            let encoded = Zeroizing::new(encode_block(&shifted));
            let whole = encoded.trim_end_matches('=');
            let end = whole.len() - usize::from(whole.len() < encoded.len());
            form(whole.get(if before == 0 { 0 } else { before + 1 }..end).unwrap_or_default(), piece.max(4));
        }
    }

    /// The beginning of an answer, without the secrets.
    pub(super) fn excerpt(&self, answer: &[u8]) -> String {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(ANSWER_MAX)]);
        let text = without_tags(&unescape(text.trim_start_matches('\u{feff}')));
        let cut = self.cut(&text);
        mask_digits(&cut).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT_MAX).collect()
    }

    /// An error code of the provider; `None` if it is no code, or contains a secret.
    pub(super) fn error_code(&self, code: String) -> Option<String> {
        let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
        let letters = letters(&code);
        let is_in = |form: &SecretForm| {
            // A short number may stand in a code by chance; the whole code, or most of a contact, does not.
            let piece = form.piece.max(form.letters.len().min(CONTACT_PIECE));
            let pieces: HashSet<&[char]> = form.letters.windows(piece).collect();
            letters.windows(piece).any(|window| pieces.contains(window))
        };
        let is_short = (1..=ERROR_CODE_MAX).contains(&code.chars().count());
        (is_short && code.chars().all(is_code) && !self.0.iter().any(is_in)).then_some(code)
    }

    fn cut(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let placed: Vec<(usize, char)> =
            chars.iter().enumerate().flat_map(|(at, c)| lower(*c).map(move |c| (at, c))).collect();
        let letters: Vec<char> = placed.iter().map(|(_, letter)| *letter).collect();
        let mut is_secret = vec![false; chars.len()];
        for SecretForm { letters: secret, piece } in &self.0 {
            let pieces: HashSet<&[char]> = secret.windows(*piece).collect();
            for (at, _) in letters.windows(*piece).enumerate().filter(|(_, window)| pieces.contains(window)) {
                // What stands between the letters of a piece belongs to it.
                is_secret[placed[at].0..=placed[at + piece - 1].0].fill(true);
            }
        }
        let mut kept = String::with_capacity(text.len());
        for (at, c) in chars.iter().enumerate() {
            if !is_secret[at] {
                kept.push(*c);
            } else if at == 0 || !is_secret[at - 1] {
                kept.push_str(MASK);
            }
        }
        kept
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().flat_map(lower).collect()
}

fn lower(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().filter(|c| c.is_alphanumeric())
}

fn mask_digits(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_numeric) {
        let digits = &rest[start..];
        let end = digits.find(|c: char| !c.is_numeric()).unwrap_or(digits.len());
        masked.push_str(&rest[..start]);
        masked.push_str(if digits[..end].chars().count() < DIGITS_MIN { &digits[..end] } else { MASK });
        rest = &digits[end..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::test_servers;
    use super::*;

    const CODE: &str = "C0D3C4N4RY";
    const TEXT: &str = "Kod C0D3C4N4RY do płatności 49,90 zł w sklepie \"Żółw & syn\"";

    fn redactor(text: &str, code: &str) -> Redactor {
        let code = Some(RenderedText::new(code.to_owned()));
        Redactor::of(&OutboundMessage { code, ..test_servers::sms(text) })
    }

    fn excerpt(answer: &str) -> String {
        redactor(TEXT, CODE).excerpt(answer.as_bytes())
    }

    #[test]
    fn an_answer_without_secrets_is_kept() {
        for answer in [r#"{"error":"unknown API key","code":17}"#, "5.1.1 User unknown", "ERR 12: no credit"] {
            assert_eq!(excerpt(answer), answer);
        }
        assert_eq!(excerpt("\u{feff} a\r\n\tb "), "a b");
        assert_eq!(excerpt("<html><body><h1>Log in</h1>to the network</body></html>"), "Log in to the network");
        assert_eq!(excerpt(&"x".repeat(5000)).chars().count(), EXCERPT_MAX);
        assert_eq!(redactor(TEXT, CODE).excerpt(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn the_message_the_contact_and_the_code_are_cut_out() {
        let echo = format!(r#"{{"error":"blocked","to":"+48600100200","text":{}}}"#, json!(TEXT));
        assert_eq!(excerpt(&echo), r#"{"error":"blocked","to":"+***","text":"***""}"#);
        assert_eq!(excerpt("number 600 100 200 (48600100200) is barred"), "number *** (***) is barred");
        assert_eq!(excerpt("spam: c0d3 c4n-4ry!"), "spam: ***!");
        assert_eq!(excerpt("text begins with: Kod C0D3C4"), "text begins with: ***");
    }

    #[test]
    fn digits_are_masked_from_three_on_in_every_script() {
        assert_eq!(excerpt("at 12:05, id 123, 1234567 and ١٢٣٤"), "at 12:05, id ***, *** and ***");
    }

    #[test]
    fn an_error_code_is_kept_unless_it_is_a_secret() {
        let redactor = redactor("Kod 482913 do zapłaty", "482913");
        let code = |code: &str| redactor.error_code(code.to_owned());
        for kept in ["21211", "E-17", "INVALID_NUMBER", "auth/quota.exceeded", "true", "4829"] {
            assert_eq!(code(kept).as_deref(), Some(kept));
        }
        for secret in ["482913", "x482913", "48600100200", "600100", "two words", "", &"x".repeat(33)] {
            assert_eq!(code(secret), None, "{secret}");
        }
    }

    #[test]
    fn a_value_that_we_sent_beside_the_message_is_cut_out_unless_it_is_short() {
        let redactor = redactor(TEXT, CODE).and("k-Zx81qPwL0").and("BANK");
        assert_eq!(redactor.excerpt(b"key k-Zx81qPwL0 of BANK is unknown"), "key *** of BANK is unknown");
    }

    /// Every way in which the tests write a text into an answer.
    fn encoded(text: &str, way: usize) -> String {
        let percent = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let html = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        let numeric = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<Vec<_>>().concat();
        let unicode =
            |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        match way {
            0 => text.to_owned(),
            1 => json!(text).to_string(),
            2 => json!(json!({ "message": text }).to_string()).to_string(),
            3 => percent(text),
            4 => percent(text).replace('+', "%20").to_lowercase(),
            5 => html(text),
            6 => numeric(text),
            7 => unicode(text),
            8 => encode_block(text.as_bytes()),
            9 => encode_block(format!("x{text}").as_bytes()),
            10 => encode_block(format!("xy{text}z").as_bytes()).replace('+', "-").replace('/', "_"),
            11 => hex::encode(text),
            12 => hex::encode_upper(text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()),
            13 => text.split(' ').collect::<Vec<_>>().join("\r\n\t"),
            14 => text.to_uppercase(),
            _ => json!(percent(&html(text))).to_string(),
        }
    }
    const WAYS: usize = 16;

    fn decoded(way: usize, excerpt: &str) -> String {
        match way {
            8..=10 => {
                let clean: String =
                    excerpt.replace('-', "+").replace('_', "/").chars().filter(char::is_ascii_alphanumeric).collect();
                (0..clean.len().min(4))
                    .map(|at| {
                        String::from_utf8_lossy(
                            &openssl::base64::decode_block(&clean[at..][..(clean.len() - at) / 4 * 4])
                                .unwrap_or_default(),
                        )
                        .into_owned()
                    })
                    .collect()
            }
            _ => excerpt.to_owned(),
        }
    }

    #[test]
    fn every_encoding_is_cut_out() {
        for way in 0..WAYS {
            let answer = format!("refused: {} (end)", encoded(TEXT, way));
            let excerpt = excerpt(&answer);
            assert!(excerpt.starts_with("refused: ") && excerpt.ends_with("(end)"), "{way}: {excerpt}");
            assert!(excerpt.len() < 50, "{way}: {excerpt}");
        }
    }

    proptest! {
        #[test]
        fn no_code_and_no_contact_is_left_in_any_excerpt(
            code in "[0-9A-Za-z]{4,16}", before in "[ -~żółć]{0,40}", after in "[ -~]{0,40}", cut in 0_usize..80, way in 0..WAYS
        ) {
            let text = format!("{before} {code} {after}");
            let redactor = redactor(&text, &code);
            let whole = encoded(&format!("{text} +48600100200"), way);
            let echo: String = whole.chars().take(whole.chars().count().saturating_sub(cut)).collect();
            let excerpt = redactor.excerpt(format!("{{\"error\":17,\"echo\":{echo}").as_bytes());
            let left = format!("{excerpt} {}", decoded(way, &excerpt)).to_lowercase();
            let code = code.to_lowercase();
            for at in 0..=code.len() - 4 {
                prop_assert!(!left.contains(&code[at..at + 4]), "{} left of {} in {}", &code[at..at + 4], whole, excerpt);
            }
            prop_assert!(!left.contains("600100"));
        }
    }
}
