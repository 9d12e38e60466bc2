//! How the fake's AWS behaves: faults, limits, delays, clocks, the metadata's state.

use std::time::{Duration, Instant};

use crate::bucket::Bucket;
use crate::fake::Fake;
use crate::fault::Fault;
use crate::state::KmsDenial;

impl Fake {
    /// Adds to the script. The first fault that matches and is not used up applies.
    pub fn fault(&self, fault: Fault) {
        self.0.shared.state().faults.0.push(fault);
    }

    pub fn clear_faults(&self) {
        self.0.shared.state().faults.0.clear();
    }

    /// A token bucket over the Get* calls: without a token, ThrottlingException.
    pub fn bucket(&self, capacity: f64, refill_per_second: f64) {
        let bucket = Bucket::new(capacity, refill_per_second, Instant::now());
        self.0.shared.state().bucket = Some(bucket);
    }

    pub fn no_bucket(&self) {
        self.0.shared.state().bucket = None;
    }

    /// Every answer, of IMDS too, comes so much later.
    pub fn delay(&self, delay: Duration) {
        self.0.shared.state().knobs.delay = delay;
    }

    /// Every connection is served so much later, before TLS.
    pub fn connect_delay(&self, delay: Duration) {
        self.0.shared.state().knobs.connect_delay = delay;
    }

    /// Sets the server's clock ahead (or behind) by seconds.
    pub fn clock_skew(&self, seconds: i64) {
        self.0.shared.state().clock.skew = seconds;
    }

    /// All credentials that were issued are expired; the metadata endpoints issue new ones.
    pub fn expire_credentials(&self) {
        let mut state = self.0.shared.state();
        let now = state.clock.now();
        state.credentials.expire(now);
    }

    /// The metadata endpoints issue new credentials; the old ones stay good.
    pub fn rotate(&self) {
        self.0.shared.state().credentials.rotate();
    }

    /// Of the credentials that the metadata endpoints issue from now on. Zero or less: they are
    /// expired on arrival.
    pub fn credential_lifetime(&self, seconds: i64) {
        let mut state = self.0.shared.state();
        state.imds.lifetime = seconds;
        state.credentials.rotate();
    }

    /// Makes every IMDS token invalid.
    pub fn expire_imds_tokens(&self) {
        self.0.shared.state().imds.tokens.clear();
    }

    /// Attaches another role to the instance, or none. The text is not checked.
    pub fn role<'a>(&self, role: impl Into<Option<&'a str>>) {
        self.0.shared.state().imds.role = role.into().map(str::to_owned);
    }

    pub fn hop_limit_exceeded(&self, exceeded: bool) {
        self.0.shared.state().imds.hop_limit_exceeded = exceeded;
    }

    pub fn kms_denial(&self, shape: KmsDenial) {
        self.0.shared.state().knobs.kms_denial = shape;
    }

    /// Whether SecureStrings under `alias/aws/ssm` need a `kms:Decrypt` of the reader's own. On AWS
    /// they do not, because that key's policy allows everyone in the account (default: false).
    pub fn guard_managed_key(&self, guarded: bool) {
        self.0.shared.state().knobs.managed_key_guarded = guarded;
    }

    /// At most so many items on a by-path page.
    pub fn page_size(&self, items: usize) {
        self.0.shared.state().knobs.page_size = Some(items);
    }

    /// Every other by-path page is empty but for its token.
    pub fn empty_pages(&self, empty: bool) {
        self.0.shared.state().knobs.empty_pages = empty;
    }

    /// STS refuses this role.
    pub fn deny_assume(&self, role_arn: &str) {
        self.0.shared.state().knobs.denied_roles.push(role_arn.to_owned());
    }

    /// What a caller has to say to assume this role.
    pub fn external_id(&self, role_arn: &str, id: &str) {
        self.0.shared.state().knobs.external_ids.push((role_arn.to_owned(), id.to_owned()));
    }

    /// The one web identity token that STS takes; without it, any.
    pub fn web_identity_token(&self, token: &str) {
        self.0.shared.state().knobs.web_identity_token = Some(token.to_owned());
    }
}
