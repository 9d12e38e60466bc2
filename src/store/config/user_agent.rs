//! What AWS is told of who asks, for CloudTrail's `userAgent`: stepzero, the application as the SDKs name it, and the systemd unit.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html>

use http::HeaderValue;

use crate::log;

/// The most that AWS's guide allows for an application.
const LONGEST: usize = 50;

/// The header of every request. `application` is what `AWS_SDK_UA_APP_ID` or the profile says. One that cannot be
/// sent as it is changes nothing else, and is told with `-vv`.
pub fn user_agent(application: Option<&str>) -> HeaderValue {
    let sent = application.map(|application| token(application, LONGEST));
    if let Some(sent) = sent.as_deref().filter(|&sent| application != Some(sent)) {
        log::debug(format_args!(
            "AWS is told the application `{sent}`: what AWS_SDK_UA_APP_ID or sdk_ua_app_id says is longer than {LONGEST} characters, \
             or has one that a User-Agent cannot have"
        ));
    }
    let unit = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| unit(&text));
    // It is made of visible ASCII alone.
    HeaderValue::from_str(&line(sent.as_deref(), unit.as_deref()))
        .unwrap_or(HeaderValue::from_static(concat!("stepzero/", env!("CARGO_PKG_VERSION"))))
}

/// `application` is a token already.
fn line(application: Option<&str>, unit: Option<&str>) -> String {
    let mut line = concat!("stepzero/", env!("CARGO_PKG_VERSION")).to_owned();
    if let Some(application) = application {
        line += &format!(" app/{application}");
    }
    if let Some(unit) = unit {
        // A unit has at most 255 characters (systemd.unit(5)).
        line += &format!(" md/unit#{}", token(unit, 255));
    }
    line
}

/// What is not allowed becomes `-`: the characters are botocore's.
fn token(text: &str, longest: usize) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~,".contains(c);
    text.chars().take(longest).map(|c| if is_allowed(c) { c } else { '-' }).collect()
}

/// The service that the process belongs to (cgroups(7)), if its own group is that of a service. A group below that is another
/// one's: a container of `containerd.service`, or a session of `user@1000.service`.
fn unit(cgroup: &str) -> Option<String> {
    let path = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controller, path) = (fields.next()?, fields.next()?);
        matches!(controller, "" | "name=systemd").then(|| path.to_owned())
    };
    let path = cgroup.lines().find_map(path)?;
    path.rsplit('/').next().filter(|name| name.ends_with(".service")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_service_of_the_process_itself() {
        for (cgroup, want) in [
            ("0::/system.slice/web.service\n", Some("web.service")),
            ("0::/system.slice/system-stepzero.slice/stepzero@web.service\n", Some("stepzero@web.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", Some("web.service")),
            (
                "12:cpu,cpuacct:/x\n1:name=systemd:/system.slice/web.service\n0::/system.slice/web.service\n",
                Some("web.service"),
            ),
            ("0::/user.slice/user-0.slice/session-1.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
            // Containers that see the groups of their machine.
            ("0::/system.slice/docker-0123.scope\n", None),
            ("1:name=systemd:/docker/0123\n", None),
            ("1:name=systemd:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:0123\n", None),
            ("0::/system.slice/docker.service/docker/0123\n", None),
            ("0::/\n", None),
            ("", None),
            ("rubbish", None),
        ] {
            assert_eq!(unit(cgroup).as_deref(), want, "{cgroup}");
        }
    }

    #[test]
    fn a_line_of_tokens() {
        let own = concat!("stepzero/", env!("CARGO_PKG_VERSION"));
        assert_eq!(line(None, None), own);
        let both = line(Some(&token("my app/é@#1", LONGEST)), Some(r"stepzero@a\x2db.service"));
        assert_eq!(both, format!(r"{own} app/my-app---#1 md/unit#stepzero-a-x2db.service"));
        assert_eq!(token(&"x".repeat(99), LONGEST), "x".repeat(50));
        assert_eq!(token("a\r\nHost: b", LONGEST), "a--Host--b");
    }
}
