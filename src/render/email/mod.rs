//! E-mail: the HTML page around the content, and the HTML that is made from plain text.

pub(crate) mod color;
pub(crate) mod html_policy;
pub(crate) mod layout;
pub(crate) mod text_to_html;
