//! "Did you mean" for a name that is not known, from the names that an error lists.

use similar::TextDiff;

/// How alike two names must be, from 0 to 1.
const ALIKE: f32 = 0.7;

/// The reason, with the listed name that is most like the unknown one. The names in it stand between backquotes, the unknown one
/// first.
pub(super) fn with_suggestion(reason: String) -> String {
    let mut names = reason.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (reason.starts_with("unknown "), names.next()) else { return reason };
    let ratio = |name: &str| TextDiff::from_chars(unknown, name).ratio();
    let alike = names.map(|name| (ratio(name), name)).filter(|(ratio, _)| *ratio >= ALIKE);
    let best = alike.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name.to_owned());
    match best {
        Some(name) => reason.replacen(", expected", &format!("; did you mean `{name}`? Expected"), 1),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_name_that_is_most_alike_is_suggested() {
        for (reason, expected) in [
            (
                "unknown field `listn`, expected one of `listen`, `certificate`",
                "unknown field `listn`; did you mean `listen`? Expected one of `listen`, `certificate`",
            ),
            (
                "unknown kind `sms_gatewy`, expected one of `sms_gateway`, `push_http`, `smtp`",
                "unknown kind `sms_gatewy`; did you mean `sms_gateway`? Expected one of `sms_gateway`, `push_http`, `smtp`",
            ),
            ("unknown field `xyz`, expected `listen`", "unknown field `xyz`, expected `listen`"),
            (
                "invalid type: floating point `0.045`, expected a string",
                "invalid type: floating point `0.045`, expected a string",
            ),
        ] {
            assert_eq!(with_suggestion(reason.to_owned()), expected);
        }
    }
}
