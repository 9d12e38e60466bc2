//! Form-encoded fields, in which the query protocol of STS speaks.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::http::Request;

/// The fields of a query string and of a form body, in this order.
pub(crate) fn fields(request: &Request) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(&request.body);
    [Cow::Borrowed(request.query()), body].iter().flat_map(|text| parse(text)).collect()
}

fn parse(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))).collect()
}

pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        let request = Request { target: "/?A=1".into(), body: b"B=a+b%3D&C=".to_vec(), ..Request::default() };
        let fields = fields(&request);
        assert_eq!(field(&fields, "A"), Some("1"));
        assert_eq!(field(&fields, "B"), Some("a b="));
        assert_eq!(field(&fields, "C"), Some(""));
        assert_eq!(field(&fields, "D"), None);
    }
}
