//! The alphabets of text messages: the default one of GSM 03.38 with its extension, and the national tables that a
//! segment can ask for in their place (3GPP TS 23.038, 6.2.1 and annex A).
//!
//! Knows which signs there are and which of them take two septets; it counts nothing. Each locking table stands here in
//! the order of its codes, without the escape at 0x1B.

/// 6.2.1, the default alphabet.
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                       ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// 6.2.1.1, its extension: two septets each.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// A.3.1 and A.3.3; there is none for Spanish.
const TURKISH_LOCKING: &str = "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞŞşßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                               İABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§çabcdefghijklmnopqrstuvwxyzäöñüà";
const PORTUGUESE_LOCKING: &str = "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|ÂâÊÉ !\"#º%&'()*+,-./0123456789:;<=>?\
                                  ÍABCDEFGHIJKLMNOPQRSTUVWXYZÃÕÚÜ§~abcdefghijklmnopqrstuvwxyzãõ`üà";

/// A.2.1 to A.2.3: in place of the extension.
const TURKISH_SINGLE: &str = "\u{c}^{}\\[~]|ĞİŞç€ğış";
const SPANISH_SINGLE: &str = "ç\u{c}^{}\\[~]|ÁÍÓÚá€íóú";
const PORTUGUESE_SINGLE: &str = "êç\u{c}ÔôÁáΦΓ^ΩΠΨΣΘÊ{}\\[~]|ÀÍÓÚÃÕÂ€íóúãõâ";

/// The octets of an information element that names a national table: its identifier, its length, the language
/// (3GPP TS 23.040, 9.2.3.24.15 and 9.2.3.24.16).
const ELEMENT: usize = 3;

/// A language with tables of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Single and locking.
    Turkish,
    /// Single alone.
    Spanish,
    /// Single and locking.
    Portuguese,
}

/// Which national tables a message asks for; none of them unless set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shift {
    /// In place of the default alphabet.
    pub locking: Option<Language>,
    /// In place of its extension.
    pub single: Option<Language>,
}

impl Shift {
    /// What the tables take from every segment, in octets. The length octet of the header is not among them.
    pub(crate) fn octets(self) -> usize {
        let locking = self.locking.filter(|language| *language != Language::Spanish);
        ELEMENT * (usize::from(locking.is_some()) + usize::from(self.single.is_some()))
    }

    /// How many septets the sign takes, one or two; none when these tables do not have it.
    pub(crate) fn septets(self, sign: char) -> Option<usize> {
        if sign.is_ascii_alphanumeric() || sign == ' ' || self.locked().contains(sign) {
            Some(1)
        } else {
            self.extended().contains(sign).then_some(2)
        }
    }

    fn locked(self) -> &'static str {
        match self.locking {
            None | Some(Language::Spanish) => DEFAULT,
            Some(Language::Turkish) => TURKISH_LOCKING,
            Some(Language::Portuguese) => PORTUGUESE_LOCKING,
        }
    }

    fn extended(self) -> &'static str {
        match self.single {
            None => EXTENSION,
            Some(Language::Turkish) => TURKISH_SINGLE,
            Some(Language::Spanish) => SPANISH_SINGLE,
            Some(Language::Portuguese) => PORTUGUESE_SINGLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locking_table_has_a_sign_for_each_code_but_the_escape() {
        for table in [DEFAULT, TURKISH_LOCKING, PORTUGUESE_LOCKING] {
            assert_eq!(table.chars().count(), 127);
            let at = |code: usize| table.chars().nth(if code > 0x1b { code - 1 } else { code }).unwrap();
            assert_eq!(
                [at(0), at(0x0a), at(0x1f), at(0x20), at(0x30), at(0x41), at(0x61)],
                ['@', '\n', 'É', ' ', '0', 'A', 'a']
            );
            let mut signs: Vec<_> = table.chars().collect();
            signs.sort_unstable();
            signs.dedup();
            assert_eq!(signs.len(), 127);
        }
    }

    #[test]
    fn a_national_table_stands_in_place_of_the_default_one() {
        let turkish = Shift { locking: Some(Language::Turkish), single: None };
        assert_eq!([turkish.septets('€'), turkish.septets('è'), turkish.septets('{')], [Some(1), None, Some(2)]);
        let both = Shift { locking: Some(Language::Portuguese), single: Some(Language::Portuguese) };
        assert_eq!([both.septets('ã'), both.septets('Φ'), both.septets('ñ')], [Some(1), Some(2), None]);
        assert_eq!(Shift::default().septets('ç'), None);
        let spanish = Shift { locking: Some(Language::Spanish), single: Some(Language::Spanish) };
        assert_eq!([spanish.octets(), both.octets(), turkish.octets()], [3, 6, 3]);
        assert_eq!([spanish.septets('á'), spanish.septets('à'), spanish.septets('ł')], [Some(2), Some(1), None]);
    }
}
