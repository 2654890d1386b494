//! The QR code that an authenticator app scans, as an image inside the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::QrCode;
use qrcode::render::svg;

/// Pixels at least. Phones read it from a screen at arm's length.
const SIZE_MIN: u32 = 200;

/// The address of an image; empty if the text is too long. Black on white, in both themes: many apps read nothing else.
pub(super) fn data_url(text: &str) -> String {
    let Ok(code) = QrCode::new(text) else { return String::new() };
    let image = code
        .render()
        .min_dimensions(SIZE_MIN, SIZE_MIN)
        .dark_color(svg::Color("#000000"))
        .light_color(svg::Color("#ffffff"))
        .build();
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(image))
}
