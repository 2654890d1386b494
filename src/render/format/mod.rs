//! How values are written in a locale: amounts, dates, and merchant names made safe.

pub(crate) mod date;
pub(crate) mod merchant_name;
pub(crate) mod money;
