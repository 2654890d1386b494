//! The HTML page around the content of every mail: the operator's colours, logo and footer, in one language and direction.
//!
//! It consists of tables and inline styles, which every mail program shows; only the logo is fetched. The page is built when
//! settings are loaded; rendering fills in its placeholders.

use std::collections::BTreeMap;

use icu_locale::LanguageIdentifier;

use super::color::Color;
use super::text_to_html;
use super::text_to_html::Put;
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::render::error::Error;
use crate::render::settings::MailSettings;
use crate::render::template::ast::{TextSpan, escape};

/// The page, with placeholders in double brackets.
const PAGE: &str = include_str!("layout.html");

const FONT: &str = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// The longest footer, in characters: enough for what the law requires of a letterhead.
const FOOTER_MAX: usize = 1000;
/// The longest URL of a logo, in bytes.
const LOGO_MAX: usize = 500;
/// A list of mails shows about this many characters next to the subject.
const PREHEADER_MAX: usize = 140;
/// Invisible spaces that push the beginning of the content, and with it the code, out of a list of mails.
const PADDING: usize = 90;

/// The page with the operator's settings.
pub(crate) struct Layout {
    parts: Vec<PagePart>,
}

/// The content of one mail: borrowed, because it includes the code.
pub(crate) struct MailContent<'a> {
    pub(crate) locale: &'a Locale,
    pub(crate) language: &'a LanguageIdentifier,
    pub(crate) right_to_left: bool,
    pub(crate) subject: Vec<TextSpan<'a>>,
    pub(crate) text: Vec<TextSpan<'a>>,
    /// The content, if the operator has a template for its HTML. Otherwise it is made from the text.
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
    /// Validates the settings and builds the page.
    pub(crate) fn new(mail: &MailSettings, brand: &str) -> Result<Self, Error> {
        let background = color("background", &mail.background)?;
        let band = color("color", &mail.color)?;
        let values = BTreeMap::from([
            ("font", FONT.to_owned()),
            ("background", background.to_string()),
            ("color", band.to_string()),
            ("on_color", band.text_color(Color::WHITE).to_string()),
            ("masthead", masthead(&mail.logo, brand, band)?),
            ("on_background", background.text_color(Color::GREY).to_string()),
            ("footer", footer(&mail.footer)?),
        ]);
        Ok(Self { parts: parts(&values) })
    }

    /// Renders a whole page. It is measured first: a buffer that grows would leave a copy of the code in freed memory.
    pub(crate) fn render(&self, content: &MailContent<'_>) -> RenderedText {
        let mut size = 0;
        self.put(content, &mut |text| size += text.len());
        let mut out = String::with_capacity(size);
        self.put(content, &mut |text| out.push_str(text));
        RenderedText::new(out)
    }

    fn put(&self, content: &MailContent<'_>, put: &mut Put<'_>) {
        let right_to_left = content.right_to_left;
        for part in &self.parts {
            match part {
                PagePart::Fixed(text) => put(text),
                PagePart::Placeholder(Placeholder::Language) => put(content.locale.as_str()),
                PagePart::Placeholder(Placeholder::Direction) => put(if right_to_left { "rtl" } else { "ltr" }),
                PagePart::Placeholder(Placeholder::Start) => put(if right_to_left { "right" } else { "left" }),
                PagePart::Placeholder(Placeholder::Title) => text_to_html::plain(&content.subject, put),
                PagePart::Placeholder(Placeholder::Preheader) => {
                    text_to_html::preheader(&content.text, PREHEADER_MAX, put);
                    (0..PADDING).for_each(|_| put("&#847;&zwnj;&nbsp;"));
                }
                PagePart::Placeholder(Placeholder::Headline) => {
                    text_to_html::headline(&content.subject, content.language, put);
                }
                PagePart::Placeholder(Placeholder::Content) => match &content.html {
                    Some(html) => operators_html(html, put),
                    None => text_to_html::content(&content.text, put),
                },
            }
        }
    }
}

fn operators_html(html: &[TextSpan<'_>], put: &mut Put<'_>) {
    for span in html {
        match span {
            TextSpan::Fixed(markup) => put(markup),
            TextSpan::Value(_, value) => escape(value, put),
        }
    }
}

fn parts(values: &BTreeMap<&str, String>) -> Vec<PagePart> {
    let mut parts = Vec::new();
    let mut fixed = String::new();
    for (number, part) in PAGE.trim_end().split("[[").enumerate() {
        let (name, rest) = part.split_once("]]").filter(|_| number > 0).unwrap_or(("", part));
        match Placeholder::named(name) {
            Some(placeholder) => {
                parts.extend([PagePart::Fixed(std::mem::take(&mut fixed)), PagePart::Placeholder(placeholder)]);
            }
            None => fixed.push_str(values.get(name).map_or("", String::as_str)),
        }
        fixed.push_str(rest);
    }
    parts.push(PagePart::Fixed(fixed));
    parts
}

fn color(key: &'static str, text: &str) -> Result<Color, Error> {
    let message = || format!("must be a colour such as #1a1a1a, a hash and six hexadecimal digits, but is {text:?}");
    Color::parse(text.trim()).ok_or_else(|| Error::Mail { key, message: message() })
}

// The logo, or the brand as text. The brand is shown as well where images are blocked.
fn masthead(logo: &str, brand: &str, band: Color) -> Result<String, Error> {
    let (logo, brand) = (logo.trim(), escaped(brand));
    if logo.is_empty() {
        return Ok(format!("<bdi>{brand}</bdi>"));
    }
    if logo.len() > LOGO_MAX || !is_image_url(logo) {
        let message = format!(
            "must be the URL of an image such as https://bank.example/logo.png, with up to {LOGO_MAX} characters, or \
             empty for the brand as text"
        );
        return Err(Error::Mail { key: "logo", message });
    }
    let text_color = band.text_color(Color::WHITE);
    Ok(format!(
        "<img src=\"{}\" alt=\"{brand}\" height=\"40\" border=\"0\" style=\"display:inline-block;height:40px;width:auto;\
         max-width:240px;border:0;vertical-align:middle;font-size:18px;line-height:40px;font-weight:bold;color:{text_color}\">",
        escaped(logo)
    ))
}

// HTTPS, a host without credentials, and no character that RFC 3986 excludes from a URL.
fn is_image_url(text: &str) -> bool {
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
        let message =
            format!("must have up to {FOOTER_MAX} characters, without control characters other than line breaks");
        return Err(Error::Mail { key: "footer", message });
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

    fn rejection(mail: &MailSettings) -> String {
        Layout::new(mail, "Bank").err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_invalid_mail_setting_is_named() {
        let default = MailSettings::default;
        assert_eq!(
            rejection(&MailSettings { color: "red".into(), ..default() }),
            "templates.mail.color: must be a colour such as #1a1a1a, a hash and six hexadecimal digits, but is \"red\""
        );
        assert!(
            rejection(&MailSettings { background: "#fff".into(), ..default() })
                .starts_with("templates.mail.background: must be a")
        );
        for logo in [
            "http://a.example/x.png",
            "data:image/png;base64,AA",
            "https://",
            "https://a@b.example/",
            "https://a.example/\"x",
        ] {
            assert!(
                rejection(&MailSettings { logo: logo.into(), ..default() })
                    .starts_with("templates.mail.logo: must be the"),
                "{logo}"
            );
        }
        for footer in ["x".repeat(1001), "a\tb".into()] {
            assert!(
                rejection(&MailSettings { footer, ..default() })
                    .starts_with("templates.mail.footer: must have up to 1000")
            );
        }
        assert_eq!(rejection(&MailSettings { logo: " https://a.example:8443/x.svg ".into(), ..default() }), "");
    }

    #[test]
    fn every_placeholder_of_the_page_is_known() {
        let layout = Layout::new(&MailSettings::default(), "Bank").ok().unwrap();
        let filled = |part: &PagePart| if let PagePart::Fixed(text) = part { text.clone() } else { "x".into() };
        let page: String = layout.parts.iter().map(filled).collect();
        assert!(!page.contains("[[") && !page.contains("=\"\"") && !page.contains(":;"), "{page}");
    }
}
