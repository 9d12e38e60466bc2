//! IMDS in networks that have one of its two addresses, or none.

use fake_aws::Fake;

use crate::common::network::with_addresses;
use crate::common::{Run, TempFile, furnished, keyed, one, plain, stepzero, together};

const V4: &str = "169.254.169.254";
const V6: &str = "fd00:ec2::254";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

fn instance(listen: &str) -> Fake {
    furnished(Fake::builder().tls(false).imds_listen(listen))
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
                run.output().case(format_args!("{source} {mode:?}")).started();
            }
        }
        // What a variable says keeps `auto` from it, as with the SDKs, and not the instance profile.
        let run = real_address(&fake, "20s").env("STEPZERO_CREDENTIALS", "instance-profile").env(MODE, "IPv4");
        run.output().case("instance-profile, IPv4").started();
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
            run.output().case(source).refused(*code, &[V4, V6, "unreachable"]).hides(&["hop limit"]);
        });
    });
}

/// The other way round: no variable keeps the instance profile from its IMDS.
#[test]
fn the_instance_profile_of_a_host_that_has_only_ipv4() {
    with_addresses("the_instance_profile_of_a_host_that_has_only_ipv4", &[V4], || {
        let fake = instance("169.254.169.254:80");
        let run = real_address(&fake, "20s").env("STEPZERO_CREDENTIALS", "instance-profile").env(MODE, "IPv6");
        run.output().case("IPv4 alone").started();
    });
}

#[test]
fn a_mode_that_is_none_is_refused() {
    let fake = plain();
    for source in ["auto", "instance-profile"] {
        let run = keyed(&fake, one("20s")).env(MODE, "dual").env("STEPZERO_CREDENTIALS", source);
        run.output().case(source).refused(78, &[MODE, "dual", "IPv4", "IPv6"]);
    }
    let config = TempFile::config("[default]\nec2_metadata_service_endpoint_mode = v6\n");
    let run = keyed(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg());
    run.output().case("by the profile").refused(78, &["ec2_metadata_service_endpoint_mode", "v6"]);
    assert!(fake.log().is_empty(), "nothing was asked");
}
