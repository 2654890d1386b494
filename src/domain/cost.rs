//! What an attempt costs: the price of its provider at that time, for each segment or message that may have been sent.

use super::money::Currency;
use super::price::Price;

/// A cost and its currency, if the operator named one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub amount: Price,
    pub currency: Option<Currency>,
}
