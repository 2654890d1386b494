//! The integration tests, in one binary: stories that the whole gateway has to tell, and the shape of its source.

mod architecture;

// Below `cfg(test)` the linter lets helpers unwrap as it lets tests.
#[cfg(test)]
mod accept_once;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
