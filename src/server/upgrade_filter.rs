//! Hides requests to change the protocol from the HTTP parser.
//!
//! A client or a proxy may ask to upgrade a connection (RFC 9110, 7.8), and a server may ignore that. The parser does not:
//! it closes the connection after the answer to `Connection: Upgrade`, and reads what follows a head with
//! `Upgrade: websocket` as a body without an end. So the first letter of each such value is replaced while a head is read.
//! Nothing is added or removed, so heads and bodies end where they ended before.

/// Replaces the first letter of a hidden value; no option or protocol begins with it.
const HIDDEN: u8 = b'x';

/// A header, and the first letter of the values that are hidden.
struct HiddenValue {
    name: &'static [u8],
    first: u8,
}

const HIDDEN_VALUES: [HiddenValue; 2] =
    [HiddenValue { name: b"connection", first: b'u' }, HiddenValue { name: b"upgrade", first: b'w' }];

/// Reads the bytes of a connection in any pieces.
#[derive(Debug)]
pub(super) struct UpgradeFilter {
    place: Place,
    /// Whether the head has begun: empty lines before it are ignored (RFC 9112, 2.2).
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the name of a header, of which `length` bytes are read; those in `fits` begin like it.
    Name {
        length: usize,
        fits: [bool; HIDDEN_VALUES.len()],
    },
    /// In a value, of which what begins with `first` is hidden.
    Value {
        first: u8,
        at_start: bool,
    },
    RestOfLine,
    /// Behind the head.
    Body,
}

impl Place {
    const LINE: Self = Self::Name { length: 0, fits: [true; HIDDEN_VALUES.len()] };
}

impl Default for UpgradeFilter {
    fn default() -> Self {
        Self { place: Place::LINE, begun: false }
    }
}

impl UpgradeFilter {
    /// A new head begins with the next byte.
    pub(super) fn begin_head(&mut self) {
        *self = Self::default();
    }

    /// Hides these values in the next bytes of the connection.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.place = self.step(byte);
        }
    }

    fn step(&mut self, byte: &mut u8) -> Place {
        match (self.place, *byte) {
            (Place::Body, _) => Place::Body,
            (Place::Name { length: 0, .. }, b'\n') if self.begun => Place::Body,
            (_, b'\n') => Place::LINE,
            (place, b'\r') | (place @ Place::Value { .. }, b' ' | b'\t') => place,
            (Place::Name { length, fits }, b':') => {
                let value = HIDDEN_VALUES.iter().zip(fits).find(|(value, fits)| *fits && value.name.len() == length);
                value.map_or(Place::RestOfLine, |(value, _)| Place::Value { first: value.first, at_start: true })
            }
            (Place::Name { length, mut fits }, byte) => {
                self.begun = true;
                for (value, fits) in HIDDEN_VALUES.iter().zip(&mut fits) {
                    *fits &= value.name.get(length) == Some(&byte.to_ascii_lowercase());
                }
                Place::Name { length: length + 1, fits }
            }
            (Place::Value { first, .. }, b',') => Place::Value { first, at_start: true },
            (Place::Value { first, at_start }, found) => {
                if at_start && found.eq_ignore_ascii_case(&first) {
                    *byte = HIDDEN;
                }
                Place::Value { first, at_start: false }
            }
            (Place::RestOfLine, _) => Place::RestOfLine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str, piece: usize) -> String {
        let (mut filter, mut bytes) = (UpgradeFilter::default(), text.as_bytes().to_vec());
        bytes.chunks_mut(piece).for_each(|piece| filter.apply(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_request_to_upgrade_is_hidden_in_any_spelling_and_in_any_pieces() {
        let head = |headers: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nUpgrade: websocket");
        for (sent, read) in [
            ("Connection: Upgrade", "Connection: xpgrade"),
            ("CONNECTION:upgrade", "CONNECTION:xpgrade"),
            ("Connection: keep-alive , Upgrade,close", "Connection: keep-alive , xpgrade,close"),
            ("Upgrade: websocket", "Upgrade: xebsocket"),
            ("upgrade:\th2c, WebSocket", "upgrade:\th2c, xebSocket"),
            ("Connection: close", "Connection: close"),
            ("X-Connection: Upgrade", "X-Connection: Upgrade"),
            ("Connections: Upgrade", "Connections: Upgrade"),
            ("Upgrade-Insecure-Requests: w", "Upgrade-Insecure-Requests: w"),
            ("Connection: a upgrade", "Connection: a upgrade"),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(filtered(&head(sent), piece), head(read), "{sent} in pieces of {piece}");
            }
            let bare = |text: &str| head(text).replace("\r\n", "\n");
            assert_eq!(filtered(&bare(sent), 5), bare(read));
        }
    }

    #[test]
    fn a_head_may_follow_empty_lines_and_another_request() {
        let request = "\r\n\r\nPOST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        let mut filter = UpgradeFilter::default();
        for _ in 0..2 {
            let mut bytes = request.as_bytes().to_vec();
            filter.apply(&mut bytes);
            assert_eq!(bytes, request.replace("web", "xeb").as_bytes());
            let mut body = b"\nUpgrade: websocket".to_vec();
            filter.apply(&mut body);
            assert_eq!(body, b"\nUpgrade: websocket");
            filter.begin_head();
        }
    }
}
