//! Lists of channels as the tables keep them: names in order with semicolons between.

use crate::domain::contact::Channel;

/// The text of a list; nothing for an empty one, which stands for no limit.
pub(super) fn write(channels: &[Channel]) -> Option<String> {
    let names: Vec<_> = channels.iter().map(|channel| channel.name()).collect();
    (!names.is_empty()).then(|| names.join(";"))
}

/// The list of a text; `None` when a name in it is no channel's.
pub(super) fn read(text: Option<&str>) -> Option<Vec<Channel>> {
    text.map_or(Some(Vec::new()), |text| text.split(';').map(|name| name.parse().ok()).collect())
}
