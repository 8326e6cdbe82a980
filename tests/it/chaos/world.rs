//! The processes of a run: the fake AWS, the wire, and replicas of the proxy.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use super::{
    direct::Direct,
    record::Record,
    wire::{self, Wire},
};
use crate::support::{FakeAws, Proxy, Scratch, eventually};

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at the audit.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Settings of a test's own.
pub(super) type Settings = &'static [(&'static str, &'static str)];
/// What is held back on the wire is given up after so long.
pub(super) const SOON: Settings = &[("IDP_PROXY__AWS__ATTEMPT_TIMEOUT_MS", "1000")];
/// What is held back on the wire is waited for.
pub(super) const PATIENT: Settings = &[("IDP_PROXY__AWS__ATTEMPT_TIMEOUT_MS", "25000")];
/// Connections to one replica, so that no limit on streams is met.
const CHANNELS: u64 = 4;

/// One replica of the proxy; it can be killed and started anew at the same address.
pub(super) struct Replica {
    pub(super) address: String,
    pub(super) record: Record,
    endpoint: String,
    settings: Settings,
    proxy: tokio::sync::Mutex<Option<Proxy>>,
    channels: Vec<Channel>,
}

impl Replica {
    async fn start(endpoint: &str, audit: std::path::PathBuf, settings: Settings) -> Self {
        let record = Record::new(audit);
        let proxy = Self::process(endpoint, "127.0.0.1:0", &record, settings).await;
        let address = proxy.address.clone();
        let channel = |_| Endpoint::new(format!("http://{address}")).expect("an address").connect_lazy();
        let channels = (0..CHANNELS).map(channel).collect();
        let proxy = tokio::sync::Mutex::new(Some(proxy));
        Self { address: address.clone(), record, endpoint: endpoint.to_owned(), settings, proxy, channels }
    }

    async fn process(endpoint: &str, listen: &str, record: &Record, settings: Settings) -> Proxy {
        let audit = record.path.to_str().expect("a path in UTF-8");
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            crate::support::ANYONE[1],
            ("IDP_PROXY__IDENTITY__MESH__HEADER", "l5d-client-id"),
            ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", "[\"127.0.0.1/32\"]"),
            ("IDP_PROXY__AUDIT__SINK", audit),
            // Nothing is to be waited for but harm.
            ("IDP_PROXY__QUOTA__COGNITO_WRITE", "unlimited"),
            ("IDP_PROXY__QUOTA__COGNITO_READ", "unlimited"),
            ("IDP_PROXY__QUOTA__COGNITO_PER_POOL", "unlimited"),
            ("IDP_PROXY__QUOTA__WORKSPACESWEB", "unlimited"),
            // A line for each call would only cost time.
            ("RUST_LOG", "warn,idp_proxy::start=info,idp_proxy::server=info"),
        ];
        Proxy::start(
            &["serve", "--listen", listen, "--admin-listen", "127.0.0.1:0"],
            &[&environment, settings].concat(),
        )
        .await
    }

    /// A connection for this schedule.
    pub(super) fn channel(&self, number: u64) -> Channel {
        self.channels[usize::try_from(number % CHANNELS).expect("a few")].clone()
    }

    /// `kill -9`, and another process at the same address.
    pub(super) async fn kill_and_start_anew(&self) {
        let mut place = self.proxy.lock().await;
        let proxy = place.take().expect("it runs");
        proxy.signal("-KILL");
        proxy.ended().await;
        self.record.tear();
        *place = Some(Self::process(&self.endpoint, &self.address, &self.record, self.settings).await);
    }

    /// SIGTERM, the end of its drain, and another process at the same address.
    pub(super) async fn roll(&self) {
        let mut place = self.proxy.lock().await;
        let proxy = place.take().expect("it runs");
        let status = proxy.terminate().await;
        assert_eq!(status.code(), Some(0), "the drain is clean");
        *place = Some(Self::process(&self.endpoint, &self.address, &self.record, self.settings).await);
    }

    /// A metric's value; 0 where it has not counted yet.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let admin = self.proxy.lock().await.as_ref().expect("it runs").admin.clone();
        let text = crate::support::get(&admin, "/metrics").await.2;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or_default()
    }
}

/// Everything that runs.
pub(super) struct World {
    _fake: FakeAws,
    _scratch: Scratch,
    pub(super) wire: Wire,
    pub(super) direct: Direct,
    pub(super) replicas: Vec<Arc<Replica>>,
}

impl World {
    /// With pools and portals for schedules with these numbers.
    pub(super) async fn start(numbers: std::ops::Range<u64>, replicas: usize, settings: Settings) -> Self {
        let resources = numbers.flat_map(|number| {
            ["--user-pool".to_owned(), wire::pool(number), "--portal".to_owned(), wire::portal(number)]
        });
        let resources: Vec<String> = resources.collect();
        let fake = FakeAws::start(&resources.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let wire = Wire::to(&fake.endpoint).await;
        let direct = Direct::new(&fake.endpoint);
        let scratch = Scratch::new();
        let mut started = Vec::new();
        for number in 0..replicas {
            let audit = scratch.join(format!("audit-{number}.log"));
            started.push(Arc::new(Replica::start(&wire.endpoint, audit, settings).await));
        }
        Self { _fake: fake, _scratch: scratch, wire, direct, replicas: started }
    }

    /// Waits until no replica has a call in flight.
    pub(super) async fn quiet(&self) {
        for replica in &self.replicas {
            eventually("no call is in flight", async || {
                (replica.metric("idp_proxy_in_flight").await == 0.0).then_some(())
            })
            .await;
        }
    }

    /// Waits until a write under this id has been begun by any replica.
    pub(super) async fn begun(&self, id: &str) {
        while !self.replicas.iter().any(|replica| replica.record.about(id).intents > 0) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until nothing of a schedule goes on anywhere; `ids` are those of its calls.
    pub(super) async fn settled(&self, number: u64, ids: &[&str]) {
        self.wire.settled(number).await;
        let is_complete = |id: &&str| self.replicas.iter().all(|replica| replica.record.is_complete(id));
        let start = Instant::now();
        // A file does not tell when it changes.
        while !ids.iter().all(is_complete) {
            assert!(start.elapsed() < PATIENCE, "writes were begun and are not completed on record");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.wire.settled(number).await;
    }
}
