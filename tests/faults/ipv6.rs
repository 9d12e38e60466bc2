//! IMDS in networks that have one of its two addresses, or none.

use fake_aws::Fake;

use crate::common::{Run, stepzero};
use crate::kit::{VALUE, keyed, one, plain, refused, started, together};
use crate::network::with_addresses;

const V4: &str = "169.254.169.254";
const V6: &str = "fd00:ec2::254";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

fn instance(listen: &str) -> Fake {
    let fake = Fake::builder().tls(false).imds_listen(listen).start();
    fake.put("app.key", "SecureString", VALUE);
    fake
}

/// Without the fake's variable, so that IMDS is where it is on EC2. An empty variable counts as unset.
fn real_address(fake: &Fake, timeout: &str) -> Run {
    stepzero(fake, one(timeout)).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
}

#[test]
fn the_instance_profile_of_a_host_that_has_only_ipv6() {
    with_addresses("the_instance_profile_of_a_host_that_has_only_ipv6", &[V6], || {
        let fake = instance("[fd00:ec2::254]:80");
        for source in ["auto", "instance-profile"] {
            for mode in ["", "IPv6", "ipv6"] {
                let run = real_address(&fake, "20s").env("STEPZERO_CREDENTIALS", source).env(MODE, mode);
                started(run.output(), &format!("{source} {mode:?}"));
            }
        }
        // What a variable says keeps `auto` from it, as with the SDKs, and not the instance profile.
        let run = real_address(&fake, "20s").env("STEPZERO_CREDENTIALS", "instance-profile").env(MODE, "IPv4");
        started(run.output(), "instance-profile, IPv4");
    });
}

#[test]
fn an_imds_that_cannot_be_reached_is_not_blamed_on_the_hop_limit() {
    with_addresses("an_imds_that_cannot_be_reached", &["10.9.9.9"], || {
        let fake = instance("127.0.0.1:0");
        let cases = [("auto", 77, "60s"), ("instance-profile", 75, "3s")];
        // Threads that are started in here are in the same network.
        together(cases.len(), &cases, |(source, code, timeout)| {
            let run = real_address(&fake, timeout).env("STEPZERO_CREDENTIALS", *source);
            let ran = refused(run.output(), *code, &[V4, V6, "unreachable"], source);
            assert!(!ran.stderr().contains("hop limit"), "{source}: {}", ran.stderr());
        });
    });
}

/// The other way round: no variable keeps the instance profile from its IMDS.
#[test]
fn the_instance_profile_of_a_host_that_has_only_ipv4() {
    with_addresses("the_instance_profile_of_a_host_that_has_only_ipv4", &[V4], || {
        let fake = instance("169.254.169.254:80");
        let run = real_address(&fake, "20s").env("STEPZERO_CREDENTIALS", "instance-profile").env(MODE, "IPv6");
        started(run.output(), "IPv4 alone");
    });
}

#[test]
fn a_mode_that_is_none_is_refused() {
    let fake = plain();
    for source in ["auto", "instance-profile"] {
        let run = keyed(&fake, one("20s")).env(MODE, "dual").env("STEPZERO_CREDENTIALS", source);
        refused(run.output(), 78, &[MODE, "dual", "IPv4", "IPv6"], source);
    }
    let config = crate::common::Spec::new("[default]\nec2_metadata_service_endpoint_mode = v6\n");
    let run = keyed(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg());
    refused(run.output(), 78, &["ec2_metadata_service_endpoint_mode", "v6"], "by the profile");
    assert!(fake.log().is_empty(), "nothing was asked");
}
