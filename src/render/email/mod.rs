//! What is special about e-mail: the page around a text, and the HTML made from it.

pub(crate) mod color;
pub(crate) mod html_policy;
pub(crate) mod layout;
pub(crate) mod text_to_html;
