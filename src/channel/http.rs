//! (being written)
/// Request.
pub struct HttpRequest;
/// Talker.
pub struct HttpChannel;
