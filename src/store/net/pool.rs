//! The connections to one place, shared by the requests that go there. A handshake costs more than a request on a
//! connection that is open, so there is one at first, or a few for many requests; more are opened when answers let others
//! wait, or when they are known to be needed and there is time. That one of those is refused, while others are open, costs no
//! request its turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::store::net::connect::{CONNECT_LIMIT, Connector, Route};
use crate::store::net::error::{HttpError, broken};
use crate::store::net::pulse::Pulse;

/// So many connections to one place at most: with fewer of them, more answers are waited for one after the other.
/// BENCHMARKS.md has the figures.
pub const CONNECTIONS: usize = 50;

/// For so many requests each, up to this many of them, connections are opened at once: a handshake costs as much as a few
/// requests.
const REQUESTS_EACH: usize = 8;
pub const AT_ONCE: usize = 3;

/// Other connections are opened when for so long nothing has come or gone, anywhere. An answer that
/// comes sooner is worth waiting for; a later handshake is cheaper too, as it resumes the first one's TLS session.
const GRACE: Duration = Duration::from_millis(2);

/// Where the last answer came sooner than that, the next one will too, and it is the machine that is busy: so much longer.
const WHERE_QUICK: u32 = 4;

/// So many connections are opened at the first silence, and twice as many at each further one. All at once would be work for
/// nothing where it was only the machine that was busy.
const STEP: usize = 4;

/// About what a TLS handshake costs us in work. When nothing has come or gone for so long before an answer, one could have been
/// made.
const HANDSHAKE: Duration = Duration::from_micros(500);

/// So long after a refusal one more is tried, when no answer has come sooner: those that are open can be hung.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

pub type Sender = SendRequest<Full<Bytes>>;

/// Where requests go.
#[derive(Clone)]
pub struct Place(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    route: Route,
    pulse: Pulse,
    state: Mutex<State>,
}

struct State {
    /// Open, with nothing to do.
    idle: Vec<Sender>,
    /// All that are open or being opened.
    live: usize,
    opening: usize,
    /// Requests without a connection, the longest wait first.
    waiting: VecDeque<oneshot::Sender<Result<Connection, HttpError>>>,
    /// So many connections are wanted before the first answer, or the first loss.
    ahead: usize,
    /// So many there can be.
    most: usize,
    /// Another try is due.
    refused: bool,
    watched: bool,
    late: Option<Late>,
    /// The last answer came within the grace.
    quick: bool,
}

/// The last silence. While no answer has come since, from anywhere, each connection that opens is followed by another:
/// afterwards one is given back as soon as one could be opened, or the machine was only busy.
#[derive(Clone, Copy)]
struct Late {
    /// So many answers had come.
    answers: u32,
    /// So many connections were opened then.
    step: usize,
}

/// A connection in use. Dropped without [`Connection::give_back`], it is closed.
pub struct Connection {
    /// Until it is given back.
    sender: Option<Sender>,
    place: Place,
    /// It was used before, and so the server may have closed it.
    pub reused: bool,
    since: Instant,
}

impl Place {
    pub fn new(connector: Arc<Connector>, route: Route, pulse: Pulse) -> Self {
        let state = State {
            idle: Vec::new(),
            live: 0,
            opening: 0,
            waiting: VecDeque::new(),
            ahead: 0,
            most: CONNECTIONS,
            refused: false,
            watched: false,
            late: None,
            quick: false,
        };
        Place(Arc::new(Shared { connector, route, pulse, state: Mutex::new(state) }))
    }

    pub fn route(&self) -> &Route {
        &self.0.route
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for one request, as soon as there is one; an error is why one could not be opened for it.
    pub async fn connection(&self) -> Result<Connection, HttpError> {
        self.0.pulse.beat();
        let handed = {
            let mut state = self.state();
            while let Some(sender) = state.idle.pop() {
                if !sender.is_closed() {
                    return Ok(Connection::new(sender, self, true));
                }
                state.lose();
            }
            let (hand, handed) = oneshot::channel();
            state.waiting.push_back(hand);
            self.provide(&mut state);
            handed
        };
        // Whoever waits is handed a connection or an error: each end of one looks after those who wait.
        handed.await.unwrap_or_else(|_| Err(HttpError::Broken(self.0.route.host.clone(), "no connection".into())))
    }

    /// Opens the first connections now, and others for so many requests if nobody needs them sooner.
    pub fn warm(&self, requests: usize) {
        let mut state = self.state();
        state.ahead = requests.min(CONNECTIONS);
        self.provide(&mut state);
    }

    /// Opens the first connections; sees to it that there are more when those are not enough.
    fn provide(&self, state: &mut State) {
        state.forget_the_given_up();
        while state.live < state.worthwhile() {
            self.open(state);
        }
        if state.missing() > 0 && !state.watched {
            state.watched = true;
            tokio::spawn(self.clone().watch());
        }
    }

    /// Until no connection is missing.
    async fn watch(self) {
        loop {
            let grace = self.state().grace();
            sleep_until(self.0.pulse.last() + grace).await;
            let mut state = self.state();
            if self.0.pulse.last().elapsed() >= grace {
                let late = state.fall_silent(self.0.pulse.answers());
                self.open_missing(&mut state, late.step);
            }
            if state.missing() == 0 {
                state.watched = false;
                return;
            }
        }
    }

    fn open_missing(&self, state: &mut State, most: usize) {
        for _ in 0..state.missing().min(most) {
            self.open(state);
        }
    }

    fn open(&self, state: &mut State) {
        state.live += 1;
        state.opening += 1;
        self.0.pulse.beat();
        let place = self.clone();
        tokio::spawn(async move {
            let opened = place.try_open().await;
            let mut state = place.state();
            state.opening -= 1;
            match opened {
                Ok(sender) => {
                    place.hand(&mut state, sender, false);
                    if state.late.is_some_and(|late| late.answers == place.0.pulse.answers()) {
                        place.open_missing(&mut state, 1);
                    }
                }
                Err(error) => {
                    state.lose();
                    place.failed(&mut state, error);
                }
            }
        });
    }

    /// A connection could not be opened.
    fn failed(&self, state: &mut State, error: HttpError) {
        if state.live > state.opening || (error.is_exhaustion() && state.live > 0) {
            // Those that there are will do: who waits has one of them as soon as an answer comes.
            crate::log::debug(format_args!("no further connection for now: {error}"));
            state.most = state.live;
            if !std::mem::replace(&mut state.refused, true) {
                tokio::spawn(self.clone().try_once_more());
            }
            return;
        }
        // Only one request is told: the others may have better luck.
        let mut told = Err(error);
        while let (Err(_), Some(waiting)) = (&told, state.waiting.pop_front()) {
            match waiting.send(told) {
                Ok(()) => break,
                Err(back) => told = back,
            }
        }
        if !state.waiting.is_empty() {
            self.provide(state);
        }
    }

    async fn try_once_more(self) {
        sleep(AFTER_REFUSAL).await;
        let mut state = self.state();
        state.refused = false;
        state.allow_one_more();
        self.open_missing(&mut state, 1);
    }

    async fn try_open(&self) -> Result<Sender, HttpError> {
        let route = &self.0.route;
        let stream = timeout(CONNECT_LIMIT, self.0.connector.connect(route))
            .await
            .map_err(|_| HttpError::ConnectTimeout(route.host.clone(), CONNECT_LIMIT))??;
        let handshake = http1::handshake(hyper_util::rt::TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| broken(&route.host, &error))?;
        // Drives the connection; its end shows in the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// To whoever has waited longest, or to those who will come.
    fn hand(&self, state: &mut State, sender: Sender, reused: bool) {
        self.0.pulse.beat();
        let mut connection = Connection::new(sender, self, reused);
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(Ok(connection)) {
                Ok(()) => return,
                // That request was given up.
                Err(Ok(back)) => connection = back,
                Err(Err(_)) => return,
            }
        }
        state.idle.extend(connection.sender.take());
    }
}

impl State {
    fn forget_the_given_up(&mut self) {
        self.waiting.retain(|request| !request.is_closed());
    }

    fn grace(&self) -> Duration {
        if self.quick { GRACE * WHERE_QUICK } else { GRACE }
    }

    /// Nothing has come or gone for a while, since so many answers.
    fn fall_silent(&mut self, answers: u32) -> Late {
        let before = self.late.filter(|late| late.answers == answers);
        let late = Late { answers, step: before.map_or(STEP, |late| CONNECTIONS.min(late.step * 2)) };
        self.late = Some(late);
        late
    }

    /// A connection is gone, or never came: none is opened any more for requests that are not there yet.
    fn lose(&mut self) {
        self.live -= 1;
        self.ahead = 0;
    }

    /// Where one was refused: each answer, and the time, allow one try more.
    fn allow_one_more(&mut self) {
        self.most = CONNECTIONS.min(self.most + 1);
    }

    /// How many connections pay for their handshakes however fast the answers come: one works on a request while we work on
    /// the answer of another.
    fn worthwhile(&self) -> usize {
        let requests = self.ahead.max(self.waiting.len());
        (1 + requests / REQUESTS_EACH).min(AT_ONCE).min(self.most)
    }

    /// How many could have been opened in a pause, within a step, for requests that will have to wait for a second round of
    /// answers. Few at a time, because it may be the machine that was busy.
    fn affordable(&mut self, pause: Duration) -> usize {
        self.forget_the_given_up();
        let handshakes = usize::try_from(pause.as_micros() / HANDSHAKE.as_micros()).unwrap_or(STEP);
        handshakes.min(STEP).min(self.waiting.len().saturating_sub(self.live))
    }

    /// How many connections more could be used now.
    fn missing(&mut self) -> usize {
        self.forget_the_given_up();
        let for_waiting = self.waiting.len().saturating_sub(self.opening);
        let wanted = for_waiting.max(self.ahead.saturating_sub(self.live));
        wanted.min(self.most.saturating_sub(self.live))
    }
}

impl Connection {
    fn new(sender: Sender, place: &Place, reused: bool) -> Self {
        Connection { sender: Some(sender), place: place.clone(), reused, since: Instant::now() }
    }

    pub fn sender(&mut self) -> &mut Sender {
        self.sender.as_mut().expect("it is there until it is given back, which takes the connection")
    }

    /// After a whole answer.
    pub fn give_back(mut self) {
        let Some(sender) = self.sender.take() else { return };
        let place = self.place.clone();
        let pause = place.0.pulse.answer();
        let mut state = place.state();
        // Answers come: from here on, requests that wait say how many connections are needed.
        state.ahead = 0;
        state.quick = self.since.elapsed() < GRACE;
        state.allow_one_more();
        place.hand(&mut state, sender, true);
        let affordable = state.affordable(pause);
        place.open_missing(&mut state, affordable);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.sender.take().is_some() {
            let mut state = self.place.state();
            state.lose();
            if !state.waiting.is_empty() {
                self.place.provide(&mut state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::TcpListener;

    use tokio::task::yield_now;

    use super::*;
    use crate::store::net::tls::Tls;

    /// A place whose listener accepts nobody, so that connections are made, and nothing is said.
    fn silent(scheme: &str) -> (Place, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        // Direct: whatever proxy the environment names.
        let connector = Arc::new(Connector::new(Tls::new(None), HashSet::from([address.clone()])));
        let uri = format!("{scheme}://{address}").parse().expect("an address");
        let route = connector.route(&uri).expect("it has a host");
        (Place::new(connector, route, Pulse::new()), listener)
    }

    fn refusing() -> Place {
        silent("http").0
    }

    async fn settled(place: &Place, is_settled: impl Fn(&State) -> bool) {
        let settling = async {
            while !is_settled(&place.state()) {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), settling).await.expect("it settles");
    }

    #[tokio::test]
    async fn connections_that_fail_ahead_of_their_requests_are_left_alone() {
        let place = refusing();
        place.warm(5);
        settled(&place, |state| state.live == 0).await;
        assert_eq!(place.state().missing(), 0, "the watch would open them again, every 2 ms");
    }

    #[tokio::test]
    async fn whoever_waits_for_a_connection_that_cannot_be_opened_is_told() {
        let place = refusing();
        let told = futures_util::future::join_all((0..9).map(|_| place.connection())).await;
        assert!(told.iter().all(Result::is_err));
        assert_eq!(place.state().live, 0);
    }

    /// How many connections there are in each millisecond of the virtual clock, when sixty requests wait and no handshake is
    /// answered.
    async fn live_by_millisecond(quick: bool) -> Vec<usize> {
        let (place, _listener) = silent("https");
        place.state().quick = quick;
        for _ in 0..60 {
            let place = place.clone();
            tokio::spawn(async move { place.connection().await.map(drop) });
        }
        let mut seen = Vec::new();
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            seen.push(place.state().live);
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn each_silence_opens_twice_as_many() {
        let mut seen = live_by_millisecond(false).await;
        seen.dedup();
        assert_eq!(seen, [3, 7, 15, 31, CONNECTIONS]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_answers_are_quick_a_silence_is_longer() {
        let first = |seen: Vec<usize>| seen.into_iter().take_while(|live| *live == 3).count();
        let (slow, quick) = (first(live_by_millisecond(false).await), first(live_by_millisecond(true).await));
        assert!(slow <= 3 && (7..=9).contains(&quick), "{slow} and {quick} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_answer_says_whether_they_are_quick() {
        let (place, _listener) = silent("http");
        for (after, quick) in [(0, true), (20, false), (1, true)] {
            let connection = place.connection().await.expect("the listener is there");
            tokio::time::advance(Duration::from_millis(after)).await;
            connection.give_back();
            assert_eq!(place.state().quick, quick, "after {after} ms");
        }
    }

    /// So many requests that wait, and where each is told.
    fn wait(place: &Place, requests: usize) -> Vec<oneshot::Receiver<Result<Connection, HttpError>>> {
        let (hands, handed): (Vec<_>, Vec<_>) = (0..requests).map(|_| oneshot::channel()).unzip();
        place.state().waiting.extend(hands);
        handed
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_a_pause_opens_what_could_have_been_opened_meanwhile() {
        // Before and after another request is made, in microseconds; connections, requests that wait; so many more.
        let cases = [
            ((0, 0), (1, 20), 0),
            ((0, 499), (1, 20), 0),
            ((0, 500), (1, 20), 1),
            ((0, 1250), (1, 20), 2),
            ((0, 60_000_000), (1, 99), STEP),
            ((0, 1250), (1, 3), 1),
            ((0, 1250), (1, 2), 0),
            ((0, 1250), (7, 9), 1),
            ((0, 1250), (7, 8), 0),
            ((60_000_000, 499), (1, 20), 0),
        ];
        for case @ ((before, after), (live, requests), more) in cases {
            let (place, _listener) = silent("http");
            let connection = place.connection().await.expect("the listener is there");
            place.state().live = live;
            tokio::time::advance(Duration::from_micros(before)).await;
            place.0.pulse.beat();
            let _handed = wait(&place, requests);
            tokio::time::advance(Duration::from_micros(after)).await;
            connection.give_back();
            assert_eq!(place.state().live, live + more, "{case:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_one_more_is_tried() {
        let (place, listener) = silent("http");
        // It is never given back, as if its request hung.
        let _connection = place.connection().await.expect("the listener is there");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let mut handed = wait(&place, 2);
        place.open_missing(&mut place.state(), 1);
        sleep(AFTER_REFUSAL / 2).await;
        assert_eq!(place.state().live, 1);
        let _listener = TcpListener::bind(address).expect("nobody else has taken it");
        sleep(AFTER_REFUSAL).await;
        let told = handed[0].try_recv().expect("whoever waits longest is told");
        assert!(told.is_ok());
        assert_eq!(place.state().live, 2);
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_beside_others_takes_no_request_with_it() {
        let (place, listener) = silent("http");
        let connection = place.connection().await.expect("the listener is there");
        drop(listener);
        let mut handed = wait(&place, 3);
        place.open_missing(&mut place.state(), 2);
        settled(&place, |state| state.opening == 0).await;
        assert!(handed.iter_mut().all(|handed| handed.try_recv().is_err()), "they wait still");
        assert_eq!(place.state().most, 1, "and nobody tries again");
        connection.give_back();
        assert_eq!(place.state().most, 2, "before an answer has come");
    }

    #[tokio::test]
    async fn a_connection_is_followed_by_others_until_an_answer_comes() {
        let (place, _listener) = silent("http");
        let open_one_when_late = |answers| {
            let mut state = place.state();
            (state.ahead, state.live) = (5, 0);
            state.fall_silent(answers);
            place.open(&mut state);
        };
        open_one_when_late(0);
        settled(&place, |state| state.live == 5 && state.opening == 0).await;
        open_one_when_late(0);
        place.0.pulse.answer();
        settled(&place, |state| state.opening == 0).await;
        assert_eq!(place.state().live, 1);
    }
}
