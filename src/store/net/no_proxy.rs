//! The hosts that are reached without a proxy, as Go reads `NO_PROXY`.
//! <https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// A parsed `NO_PROXY`. What it cannot mean is passed over.
#[derive(Debug, Default)]
pub struct NoProxy(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    hosts: Hosts,
    /// Any port, if there is none.
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    Network(IpNet),
    /// The names below a domain, and, unless only those are meant, the domain itself.
    Domain {
        name: String,
        and_itself: bool,
    },
}

impl NoProxy {
    pub fn parse(list: &str) -> Self {
        NoProxy(list.split(',').filter_map(|entry| Entry::parse(&entry.trim().to_lowercase())).collect())
    }

    /// Whether this host is reached directly.
    pub fn contains(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host() else { return false };
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let host = without_dot(bare(host)).to_lowercase();
        self.0.iter().any(|entry| entry.port.is_none_or(|own| own == port) && entry.hosts.contain(&host))
    }
}

impl Entry {
    /// `*`, a network such as `10.0.0.0/8`, or a host with or without a port: `10.0.0.1`, `[fd00::1]:443`, `example.com`,
    /// `.example.com` and `*.example.com` for what is below it. `None` when it is empty or has no host.
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Entry { hosts: Hosts::All, port: None });
        }
        if let Ok(network) = text.parse() {
            return Some(Entry { hosts: Hosts::Network(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without brackets has colons, but no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let host = without_dot(bare(host));
        if host.is_empty() {
            return None;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Entry { hosts: Hosts::Network(address.into()), port });
        }
        let below = host.strip_prefix("*.").or(host.strip_prefix('.'));
        Some(Entry {
            hosts: Hosts::Domain { name: below.unwrap_or(host).to_owned(), and_itself: below.is_none() },
            port,
        })
    }
}

impl Hosts {
    fn contain(&self, host: &str) -> bool {
        match self {
            Hosts::All => true,
            Hosts::Network(network) => host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Hosts::Domain { name, and_itself } => host
                .strip_suffix(name.as_str())
                .is_some_and(|before| before.ends_with('.') || (*and_itself && before.is_empty())),
        }
    }
}

/// An address of IPv6 without its brackets.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A name that ends with a dot is the same name, in full.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_as_go_reads_them() {
        let ssm = "https://ssm.us-east-1.amazonaws.com";
        for (list, uri, spared) in [
            ("", ssm, false),
            ("*", ssm, true),
            ("x, *", ssm, true),
            ("*.amazonaws.com", ssm, true),
            (".amazonaws.com", ssm, true),
            ("amazonaws.com", ssm, true),
            ("amazonaws.com.", ssm, true),
            (" SSM.us-east-1.AmazonAWS.com ", ssm, true),
            ("ssm.us-east-1.amazonaws.com", "https://ssm.us-east-1.amazonaws.com.", true),
            ("naws.com", ssm, false),
            ("*naws.com", ssm, false),
            (".ssm.us-east-1.amazonaws.com", ssm, false),
            ("*.ssm.us-east-1.amazonaws.com", ssm, false),
            ("ssm.us-east-1.amazonaws.com:443", ssm, true),
            ("ssm.us-east-1.amazonaws.com:80", ssm, false),
            ("ssm.us-east-1.amazonaws.com:https", ssm, false),
            ("amazonaws.com:8443", "https://x.amazonaws.com:8443/", true),
            ("10.0.0.1", "http://10.0.0.1", true),
            ("10.0.0.1:80", "http://10.0.0.1", true),
            ("10.0.0.1:81", "http://10.0.0.1", false),
            ("10.0.0.0/8", "http://10.1.2.3:8080", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("10.0.0.0/8", "http://10.example", false),
            ("fd00::1", "http://[fd00::1]", true),
            ("[fd00::1]", "http://[fd00::1]", true),
            ("[fd00::1]:443", "https://[fd00::1]", true),
            ("[fd00::1]:444", "https://[fd00::1]", false),
            ("fd00::/8", "https://[fd00::1]:9", true),
            (":443", ssm, false),
            (",,  ,", ssm, false),
        ] {
            let uri = uri.parse().expect("an address");
            assert_eq!(NoProxy::parse(list).contains(&uri), spared, "{list:?} {uri}");
        }
    }
}
