//! The page around the content of every mail: the operator's colours, logo and footer, in one language and direction.
//!
//! Tables and inline styles alone, because that is what every mail program shows; nothing is fetched but the logo. The
//! page is put together when settings are read; writing fills in its slots.

use std::collections::BTreeMap;

use super::color::Color;
use super::text_to_html;
use super::text_to_html::Put;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::render::error::Error;
use crate::render::settings::MailSettings;
use crate::render::template::ast::{TextSpan, escape};

/// What is filled in, in double brackets.
const PAGE: &str = include_str!("layout.html");

const FONT: &str = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// The longest footer, in characters: what the law asks of a letterhead, not a page of conditions.
const FOOTER_MAX: usize = 1000;
/// The longest address of a logo, in bytes.
const LOGO_MAX: usize = 500;
/// A list of mails shows about so many characters beside the subject.
const PREHEADER_MAX: usize = 140;
/// Blanks that push the first words of the content, and with them the code, out of a list of mails.
const BLANKS: usize = 90;

/// The page, ready to be filled in.
pub(crate) struct Layout {
    pieces: Vec<PagePart>,
}

/// What a page is filled with: borrowed, because a code is among it.
pub(crate) struct MailContent<'a> {
    /// The language it is read in.
    pub(crate) locale: &'a Locale,
    /// Whether its lines begin on the right.
    pub(crate) right_to_left: bool,
    /// The subject.
    pub(crate) subject: Vec<TextSpan<'a>>,
    /// The plain text.
    pub(crate) text: Vec<TextSpan<'a>>,
    /// The content, where the operator writes the HTML of it; otherwise it is made from the text.
    pub(crate) html: Option<Vec<TextSpan<'a>>>,
}

enum PagePart {
    Fixed(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy)]
enum Placeholder {
    Language,
    Direction,
    Start,
    Title,
    Preheader,
    Headline,
    Content,
}

impl Placeholder {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lang" => Self::Language,
            "dir" => Self::Direction,
            "start" => Self::Start,
            "title" => Self::Title,
            "preheader" => Self::Preheader,
            "headline" => Self::Headline,
            "content" => Self::Content,
            _ => return None,
        })
    }
}

impl Layout {
    /// Checks the settings and puts the page together.
    pub(crate) fn of(mail: &MailSettings, brand: &str) -> Result<Self, Error> {
        let background = color("background", &mail.background)?;
        let band = color("color", &mail.color)?;
        let settled = BTreeMap::from([
            ("font", FONT.to_owned()),
            ("background", background.to_string()),
            ("color", band.to_string()),
            ("on_color", band.letters(Color::WHITE).to_string()),
            ("masthead", masthead(&mail.logo, brand, band)?),
            ("on_background", background.letters(Color::GREY).to_string()),
            ("footer", footer(&mail.footer)?),
        ]);
        Ok(Self { pieces: pieces(&settled) })
    }

    /// Writes a whole page. It is measured first: a buffer that grows would leave a code behind, unwiped.
    pub(crate) fn write(&self, filling: &MailContent<'_>) -> RenderedText {
        let mut room = 0;
        self.put(filling, &mut |text| room += text.len());
        let mut out = String::with_capacity(room);
        self.put(filling, &mut |text| out.push_str(text));
        RenderedText::new(out)
    }

    fn put(&self, filling: &MailContent<'_>, put: &mut Put<'_>) {
        let backwards = filling.right_to_left;
        for piece in &self.pieces {
            match piece {
                PagePart::Fixed(text) => put(text),
                PagePart::Placeholder(Placeholder::Language) => put(filling.locale.as_str()),
                PagePart::Placeholder(Placeholder::Direction) => put(if backwards { "rtl" } else { "ltr" }),
                PagePart::Placeholder(Placeholder::Start) => put(if backwards { "right" } else { "left" }),
                PagePart::Placeholder(Placeholder::Title) => text_to_html::plain(&filling.subject, put),
                PagePart::Placeholder(Placeholder::Preheader) => {
                    text_to_html::preheader(&filling.text, PREHEADER_MAX, put);
                    (0..BLANKS).for_each(|_| put("&#847;&zwnj;&nbsp;"));
                }
                PagePart::Placeholder(Placeholder::Headline) => {
                    text_to_html::headline(&filling.subject, filling.locale.language(), put)
                }
                PagePart::Placeholder(Placeholder::Content) => match &filling.html {
                    Some(html) => own(html, put),
                    None => text_to_html::content(&filling.text, put),
                },
            }
        }
    }
}

fn own(html: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in html {
        match span {
            TextSpan::Words(markup) => put(markup),
            TextSpan::Value(_, value) => escape(value, put),
        }
    }
}

fn pieces(settled: &BTreeMap<&str, String>) -> Vec<PagePart> {
    let mut pieces = Vec::new();
    let mut fixed = String::new();
    for (number, part) in PAGE.trim_end().split("[[").enumerate() {
        let (name, rest) = part.split_once("]]").filter(|_| number > 0).unwrap_or(("", part));
        match Placeholder::named(name) {
            Some(slot) => pieces.extend([PagePart::Fixed(std::mem::take(&mut fixed)), PagePart::Placeholder(slot)]),
            None => fixed.push_str(settled.get(name).map_or("", String::as_str)),
        }
        fixed.push_str(rest);
    }
    pieces.push(PagePart::Fixed(fixed));
    pieces
}

fn color(key: &'static str, text: &str) -> Result<Color, Error> {
    let what = || format!("expected a colour such as #1a1a1a: a hash and six hexadecimal digits, not {text:?}");
    Color::parse(text.trim()).ok_or_else(|| Error::Mail { key, what: what() })
}

// The logo, or the name in letters. Where pictures are not shown the name stands in its place.
fn masthead(logo: &str, brand: &str, band: Color) -> Result<String, Error> {
    let (logo, brand) = (logo.trim(), escaped(brand));
    if logo.is_empty() {
        return Ok(format!("<bdi>{brand}</bdi>"));
    }
    if logo.len() > LOGO_MAX || !is_picture_address(logo) {
        let what = format!(
            "expected the address of a picture such as https://bank.example/logo.png, up to {LOGO_MAX} signs; \
             leave it empty for the name in letters"
        );
        return Err(Error::Mail { key: "logo", what });
    }
    let letters = band.letters(Color::WHITE);
    Ok(format!(
        "<img src=\"{}\" alt=\"{brand}\" height=\"40\" border=\"0\" style=\"display:inline-block;height:40px;width:auto;\
         max-width:240px;border:0;vertical-align:middle;font-size:18px;line-height:40px;font-weight:bold;color:{letters}\">",
        escaped(logo)
    ))
}

// HTTPS, a host with nothing but its name, and none of the signs that RFC 3986 keeps out of an address.
fn is_picture_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
    host.contains(|c: char| c.is_ascii_alphanumeric())
        && named
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte))
}

fn footer(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.chars().count() > FOOTER_MAX || text.contains(|c: char| c.is_control() && c != '\n' && c != '\r') {
        let what =
            format!("expected up to {FOOTER_MAX} characters on lines, without tabs and other control characters");
        return Err(Error::Mail { key: "footer", what });
    }
    Ok(text.lines().map(|line| escaped(line.trim())).collect::<Vec<_>>().join("<br>\n"))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, &mut |text| out.push_str(text));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(mail: &MailSettings) -> String {
        Layout::of(mail, "Bank").err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_setting_that_no_mail_can_follow_is_named() {
        let of = MailSettings::default;
        assert_eq!(
            refused(&MailSettings { color: "red".into(), ..of() }),
            "templates.mail.color: expected a colour such as #1a1a1a: a hash and six hexadecimal digits, not \"red\""
        );
        assert!(
            refused(&MailSettings { background: "#fff".into(), ..of() })
                .starts_with("templates.mail.background: expected a")
        );
        for logo in [
            "http://a.example/x.png",
            "data:image/png;base64,AA",
            "https://",
            "https://a@b.example/",
            "https://a.example/\"x",
        ] {
            assert!(
                refused(&MailSettings { logo: logo.into(), ..of() }).starts_with("templates.mail.logo: expected the"),
                "{logo}"
            );
        }
        for footer in ["x".repeat(1001), "a\tb".into()] {
            assert!(
                refused(&MailSettings { footer, ..of() }).starts_with("templates.mail.footer: expected up to 1000")
            );
        }
        assert_eq!(refused(&MailSettings { logo: " https://a.example:8443/x.svg ".into(), ..of() }), "");
    }

    #[test]
    fn every_slot_of_the_page_is_known() {
        let layout = Layout::of(&MailSettings::default(), "Bank").ok().unwrap();
        let filled = |piece: &PagePart| if let PagePart::Fixed(text) = piece { text.clone() } else { "x".into() };
        let page: String = layout.pieces.iter().map(filled).collect();
        assert!(!page.contains("[[") && !page.contains("=\"\"") && !page.contains(":;"), "{page}");
    }
}
