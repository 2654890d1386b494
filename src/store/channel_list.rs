//! Lists of channels as they are stored: names in order, separated by semicolons.

use crate::domain::contact::Channel;

/// The stored list; `None` for an empty one, which means all channels.
pub(super) fn write(channels: &[Channel]) -> Option<String> {
    let names: Vec<_> = channels.iter().map(|channel| channel.name()).collect();
    (!names.is_empty()).then(|| names.join(";"))
}

/// The channels of a stored list; `None` when a name is unknown.
pub(super) fn read(text: Option<&str>) -> Option<Vec<Channel>> {
    text.map_or(Some(Vec::new()), |text| text.split(';').map(|name| name.parse().ok()).collect())
}
