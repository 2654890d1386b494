//! Templates and the values that are put into them: the first byte chooses the kind of message, the second the file; then
//! the source up to a zero byte, then the values, with zero bytes between.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otpost::render::fuzz_api;

fuzz_target!(|input: &[u8]| {
    let [kind, file, rest @ ..] = input else { return };
    let (kind, file) = (usize::from(*kind), usize::from(*file));
    let rest = String::from_utf8_lossy(rest);
    let mut parts = rest.split('\0');
    let source = parts.next().unwrap_or_default();
    let values: Vec<_> = parts.take(16).collect();

    let read = fuzz_api::render(kind, file, source, &values);
    let said = fuzz_api::lint(file, source);

    match &read {
        Ok(written) => {
            assert!(written.text.len() <= written.bound, "more was written than there was room for");
            assert!(written.text.chars().count() <= written.limit, "more was written than the channel takes");
            // No piece is written twice, so what the source has is all there can be.
            if written.html {
                assert!(written.text.matches('<').count() <= source.matches('<').count(), "a value made a tag");
                assert!(written.text.matches('"').count() <= source.matches('"').count(), "a value made a quote");
            }
        }
        Err(why) => assert!(!why.is_empty(), "refused, and nobody says why"),
    }
    assert_eq!(read, fuzz_api::render(kind, file, source, &values), "read twice, found two things");
    assert_eq!(said, fuzz_api::lint(file, source), "looked at twice, found two things");
});
