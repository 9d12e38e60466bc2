//! stepzero makes the endpoint of Systems Manager from that of STS, whose rules are in a crate that it links anyway
//! (`src/store/config/endpoint.rs`). Here the SDK's rules for Systems Manager say whether that is right.

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::config::endpoint as ssm;
    use aws_sdk_sts::config::endpoint as sts;
    use ssm::ResolveEndpoint as _;
    use sts::ResolveEndpoint as _;

    /// One Region of each partition at least, one that does not exist, and two that no partition knows.
    const REGIONS: &str = "af-south-1 ap-east-1 ap-northeast-1 ap-southeast-7 ca-central-1 ca-west-1 eu-central-2 eu-west-1 \
        il-central-1 me-central-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 us-nowhere-77 \
        cn-north-1 cn-northwest-1 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 \
        eu-isoe-west-1 us-isof-south-1 us-isof-east-1 eusc-de-east-1 xx-north-1 nowhere";

    async fn of_ssm(region: &str, fips: bool, dual_stack: bool) -> Option<String> {
        let params = ssm::Params::builder().region(region.to_owned()).use_fips(fips).use_dual_stack(dual_stack).build();
        let endpoint = ssm::DefaultResolver::new().resolve_endpoint(&params.expect("all are given")).await;
        endpoint.ok().map(|endpoint| endpoint.url().to_owned())
    }

    async fn of_sts(region: &str, fips: bool, dual_stack: bool) -> Option<String> {
        let params = sts::Params::builder().region(region.to_owned()).use_fips(fips).use_dual_stack(dual_stack).build();
        let endpoint = sts::DefaultResolver::new().resolve_endpoint(&params.expect("all are given")).await;
        endpoint.ok().map(|endpoint| endpoint.url().to_owned())
    }

    #[tokio::test]
    async fn both_services_are_named_by_one_rule() {
        let mut compared = 0;
        for region in REGIONS.split_whitespace() {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let made = of_sts(region, fips, dual_stack).await.map(|url| url.replacen("//sts", "//ssm", 1));
                assert_eq!(made, of_ssm(region, fips, dual_stack).await, "{region} {fips} {dual_stack}");
                compared += usize::from(made.is_some());
            }
        }
        assert!(compared > 60, "{compared}");
    }
}
