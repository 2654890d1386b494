//! How long a provider asks to be left alone.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest `Retry-After` that is honoured: long enough to use other providers meanwhile, short enough not to lose a
/// code that has no other provider.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// `Retry-After` (RFC 9110, section 10.2.3), at most [`RETRY_AFTER_MAX`]: seconds, or a date in one of the three forms of
/// section 5.6.7, measured against the `Date` of the same answer and not against our clock. A date without a `Date` counts
/// as [`RETRY_AFTER_MAX`], because the provider asked not to be called too early.
///
/// If there are several, the longest counts, for the same reason.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?.trim()).ok());
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| one_retry_after(value.to_str().ok()?.trim(), date)).max()
}

fn one_retry_after(text: &str, date: Option<SystemTime>) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit is a long time, too.
        return Some(text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    let wait = date.map_or(RETRY_AFTER_MAX, |date| then.duration_since(date).unwrap_or_default());
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn retry_after_is_read_in_every_form_is_at_most_a_minute_and_ignored_when_malformed() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let read = |value: &str| retry_after(&[(RETRY_AFTER, value), (DATE, date)].map(header).into_iter().collect());
        for (value, seconds) in [
            ("0", Some(0)),
            ("2", Some(2)),
            (" 7 ", Some(7)),
            ("007", Some(7)),
            ("60", Some(60)),
            ("3600", Some(60)),
            ("99999999999999999999999", Some(60)),
            ("Wed, 21 Oct 2015 07:28:05 GMT", Some(5)),
            ("Wednesday, 21-Oct-15 07:28:05 GMT", Some(5)),
            ("Wed Oct 21 07:28:05 2015", Some(5)),
            ("Thu, 22 Oct 2015 07:28:00 GMT", Some(60)),
            ("Tue, 20 Oct 2015 07:28:00 GMT", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("5s", None),
            ("1,2", None),
            ("Wed, 32 Oct 2015 07:28:00 GMT", None),
        ] {
            assert_eq!(read(value), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn the_longest_of_several_retry_after_headers_is_kept() {
        let read = |value: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.extend(value.iter().map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!((read(&["2", "30"]), read(&["30", "0"]), read(&["soon", "4"])), (Some(30), Some(30), Some(4)));
    }

    #[test]
    fn a_retry_after_date_without_a_date_header_counts_as_a_minute_and_bytes_beyond_ascii_are_ignored() {
        let minute = Some(Duration::from_mins(1));
        let date = (RETRY_AFTER, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(retry_after(&[header(date.clone())].into_iter().collect()), minute);
        assert_eq!(retry_after(&[date, (DATE, "yesterday")].map(header).into_iter().collect()), minute);
        let odd = HeaderValue::from_bytes(b"\xff5").unwrap();
        assert_eq!(retry_after(&[(RETRY_AFTER, odd)].into_iter().collect()), None);
    }

    fn header((name, value): (HeaderName, &str)) -> (HeaderName, HeaderValue) {
        (name, HeaderValue::from_str(value).unwrap())
    }
}
