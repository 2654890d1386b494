//! The integration tests, in one binary: stories that the whole gateway has to tell, and the shape of its source.

mod architecture;
#[cfg(test)]
mod cli;
