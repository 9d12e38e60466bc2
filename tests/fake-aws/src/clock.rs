//! The server's clock, which can be set wrong, and the three date formats of the protocol.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The fake's idea of now: the real clock and a deviation in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    pub skew: i64,
}

impl Clock {
    pub fn now(self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + time::Duration::seconds(self.skew)
    }
}

/// Seconds with milliseconds, as the JSON protocol sends timestamps.
pub(crate) fn epoch(at: OffsetDateTime) -> f64 {
    // A millisecond count of this era is far below 2^53, so the conversion is exact.
    (at.unix_timestamp_nanos() / 1_000_000) as f64 / 1000.0
}

/// The `Date` header: `Mon, 02 Jan 2006 15:04:05 GMT`.
pub(crate) fn http(at: OffsetDateTime) -> String {
    at.format(format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"))
        .expect("every component of the format exists in a date with a time")
}

/// `2006-01-02T15:04:05Z`, as IMDS and STS write an expiration.
pub(crate) fn iso(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0)
        .expect("zero is a valid nanosecond")
        .format(&Rfc3339)
        .expect("years of this era fit RFC 3339")
}

/// `20060102T150405Z`, as SigV4 writes its time.
pub(crate) fn amz(at: OffsetDateTime) -> String {
    at.format(format_description!("[year][month][day]T[hour][minute][second]Z"))
        .expect("every component of the format exists in a date with a time")
}

pub(crate) fn parse_amz(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(text, format).ok().map(time::PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_one_moment() {
        let at = OffsetDateTime::from_unix_timestamp(1_136_214_245).expect("a valid timestamp");
        assert_eq!(http(at), "Mon, 02 Jan 2006 15:04:05 GMT");
        assert_eq!(iso(at), "2006-01-02T15:04:05Z");
        assert_eq!(amz(at), "20060102T150405Z");
        assert_eq!(parse_amz("20060102T150405Z"), Some(at));
        assert_eq!(parse_amz("2006-01-02"), None);
        assert!((epoch(at) - 1_136_214_245.0).abs() < f64::EPSILON);
    }

    #[test]
    fn skew_moves_the_clock() {
        let ahead = Clock { skew: 600 }.now() - OffsetDateTime::now_utc();
        assert!((599..=600).contains(&ahead.whole_seconds()), "{ahead}");
    }
}
