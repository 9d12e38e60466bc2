//! The name of a Region, which becomes part of a host name. A wrong one would be looked up until the deadline.
#![forbid(unsafe_code)]

use crate::error::printable;

/// Whether a text can be the name of a Region: words and, at the end, a number, as in `us-east-1`, `us-gov-west-1` or
/// `eusc-de-east-1`. Regions that are yet to come have this form too: so have those of the partitions that the SDK
/// knows (<https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>).
pub fn is_region(text: &str) -> bool {
    fault(text).is_none()
}

/// What is wrong with it, as a sentence for a message.
pub fn fault(text: &str) -> Option<String> {
    let shown = printable(text);
    let clean = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let none = || Some(format!("\"{shown}\" is not a Region: a Region is a name such as us-east-1"));
    if text.len() > 63 || !text.chars().all(clean) {
        return none();
    }
    match ending_in_number(text) {
        None => none(),
        Some(region) if region == text => None,
        Some(region) => Some(format!("\"{shown}\" is a zone, the Region is {region}")),
    }
}

/// The Region that a text is or begins with: words and then a number.
fn ending_in_number(text: &str) -> Option<&str> {
    let mut end = 0;
    for (at, part) in text.split('-').enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        if at >= 1 && digits > 0 {
            return Some(&text[..end + digits]);
        }
        if !part.starts_with(|c: char| c.is_ascii_lowercase()) {
            return None;
        }
        end += part.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_all_partitions() {
        let regions = "us-east-1 eu-west-3 ap-southeast-7 mx-central-1 us-nowhere-77 us-gov-east-1 cn-north-1 \
            us-iso-east-1 us-isob-east-1 eu-isoe-west-1 us-isof-south-1 eusc-de-east-1 local-1";
        for region in regions.split_whitespace() {
            assert_eq!(fault(region), None, "{region}");
        }
    }

    #[test]
    fn zones_name_their_region() {
        for (zone, region) in [
            ("eu-west-3a", "eu-west-3"),
            ("us-gov-east-1b", "us-gov-east-1"),
            ("us-west-2-lax-1a", "us-west-2"),
            ("us-east-1-wl1-bos-wlz-1", "us-east-1"),
        ] {
            assert_eq!(fault(zone), Some(format!("\"{zone}\" is a zone, the Region is {region}")));
        }
    }

    #[test]
    fn what_is_none() {
        for text in
            ["", "us-east", "aws-global", "US-EAST-1", "us-east-", "us--1", "-a-1", "us east 1", "1-a-1", "euc1"]
        {
            assert!(fault(text).is_some_and(|why| why.contains("is not a Region")), "{text}");
        }
    }
}
