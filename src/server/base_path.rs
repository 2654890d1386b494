//! `base_path`: the path prefix of a listener that is published below another path by a proxy.

use super::Error;

/// Characters of a URL path besides letters and digits (RFC 3986, `pchar`).
const PUNCTUATION: &[u8] = b"/-._~%!$&'()*+,;=:@";

/// Returns `path` if it can be a path prefix. `key` names the setting in the error.
pub fn checked_base_path(key: &str, path: &str) -> Result<String, Error> {
    let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || PUNCTUATION.contains(&byte));
    if path.is_empty() || (is_path && path.starts_with('/') && !path.ends_with('/') && !path.contains("//")) {
        return Ok(path.to_owned());
    }
    Err(Error::setting(key, "must be empty, or a path such as /otpost without a trailing slash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_empty_or_an_absolute_path_without_a_trailing_slash() {
        for good in ["", "/otpost", "/a/b-c_d.e~f", "/a%20b"] {
            assert_eq!(checked_base_path("receipts.base_path", good).unwrap(), good);
        }
        for bad in ["otpost", "/", "/a/", "//a", "/{provider}", "/a b", "/a?b"] {
            let error = checked_base_path("receipts.base_path", bad).unwrap_err().to_string();
            assert!(error.starts_with("receipts.base_path: must be empty"), "{bad}: {error}");
        }
    }
}
