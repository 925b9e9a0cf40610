//! 元 and 万元: exact shifts of the decimal point, on text, never by floating point.

use minijinja::{Error, Value};

use super::{refuse, shape, with_text};

/// Decimals allowed in 万元, and therefore two more places than a fen needs.
const MOST_DECIMALS: usize = 6;

/// 万元 to 元: four places to the right.
pub(super) fn yuan_from_wan(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| shifted(text, 4))
}

/// 元 to 万元: four places to the left.
pub(super) fn wan_from_yuan(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| shifted(text, -4))
}

fn shifted(text: &str, places: isize) -> Result<Value, Error> {
    let amount = Amount::parse(text)
        .ok_or_else(|| refuse(format!("not a plain decimal amount: a text like '{}'", shape(text))))?;
    amount.shift(places).map(|amount| Value::from(amount.write()))
}

/// Digits with a point `scale` places from the right; no leading zeros, no trailing zeros behind the point.
struct Amount {
    negative: bool,
    digits: String,
    scale: usize,
}

impl Amount {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let digits = [whole, fraction].concat();
        let plain =
            !whole.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| Self { negative, scale: fraction.len(), digits }.tidy())
    }

    fn tidy(mut self) -> Self {
        while self.scale > 0 && self.digits.ends_with('0') {
            self.digits.pop();
            self.scale -= 1;
        }
        let leading = self.digits.len() - self.digits.trim_start_matches('0').len();
        self.digits.drain(..leading);
        if self.digits.is_empty() {
            self.scale = 0;
        }
        self
    }

    fn shift(mut self, places: isize) -> Result<Self, Error> {
        if places < 0 {
            self.scale += places.unsigned_abs();
        } else {
            let missing = places.unsigned_abs().saturating_sub(self.scale);
            self.digits.extend(std::iter::repeat_n('0', missing));
            self.scale = self.scale.saturating_sub(places.unsigned_abs());
        }
        let amount = self.tidy();
        let decimals = amount.scale + if places > 0 { places.unsigned_abs() } else { 0 };
        if decimals > MOST_DECIMALS {
            return Err(refuse(format!(
                "{decimals} decimals in 万元, at most {MOST_DECIMALS} are exact to the fen"
            )));
        }
        Ok(amount)
    }

    fn write(&self) -> String {
        let padded = format!("{:0>width$}", self.digits, width = self.scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - self.scale);
        let sign = if self.negative && !self.digits.is_empty() { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{eval, text};

    #[test]
    fn amounts_are_shifted_exactly() {
        for (wan, yuan) in [
            ("12.345678", "123456.78"),
            ("0.000001", "0.01"),
            ("12", "120000"),
            ("-0.5", "-5000"),
            ("0", "0"),
            ("123456789012.34", "1234567890123400"),
        ] {
            assert_eq!(text("v | yuan_from_wan", wan), yuan);
            assert_eq!(text("v | wan_from_yuan", yuan), wan);
        }
        assert_eq!(text("v | yuan_from_wan", "+1.50"), "15000");
        assert_eq!(text("v | yuan_from_wan", 0.1), "1000");
        assert_eq!(text("v | wan_from_yuan", 5), "0.0005");
        assert_eq!(text("v | wan_from_yuan", "-0.00"), "0");
    }

    #[test]
    fn what_is_no_amount_or_not_exact_is_refused() {
        for wrong in ["1,000", "1e3", "1.", ".5", "--1", "五万", "1 0", &"9".repeat(31)] {
            assert!(eval("v | yuan_from_wan", wrong).is_err(), "{wrong}");
        }
        assert!(eval("v | yuan_from_wan", "0.0000001").unwrap_err().contains("7 decimals"));
        assert!(eval("v | wan_from_yuan", "0.001").unwrap_err().contains("7 decimals"));
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(fen in 1_i64..1_000_000_000_000, negative in any::<bool>()) {
            let sign = if negative { "-" } else { "" };
            let yuan = format!("{sign}{}.{:02}", fen / 100, fen % 100);
            let tidy = yuan.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(text("v | wan_from_yuan | yuan_from_wan", yuan.as_str()), tidy);
        }
    }
}
