//! Is it at home behind a proxy? nginx and HAProxy as Debian configures them, with what README.md tells to add.

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use support::browser::{Browser, Engine};
use support::proxy::{Edit, FRONT, HAPROXY, Kind, NGINX, Proxy};
use support::readme::blocks;
use support::{
    Client, HEARTBEAT, OPENING, PAID, Program, SETTLED, Server, TIMED_OUT, mask_times, own_network,
    tool,
};

const PATH_OF_ITS_OWN: &str = "### Under a path of its own";

#[test]
fn events_arrive_at_once() {
    for kind in [NGINX, HAPROXY] {
        let Some(scene) = Scene::behind(&kind, &plain(&kind), &[], &[]) else { return };
        let direct = delays(&scene.server, scene.server.address);
        let proxied = delays(&scene.server, FRONT);
        let [median, worst] = [20, 39].map(|at| (proxied[at], direct[at]));
        println!("{}, and without it: median {median:?}, worst {worst:?}", kind.name);
        assert!(median.0 < Duration::from_millis(100), "{}: {median:?}", kind.name);
    }
}

/// From a payback to the end of its stream, 40 times, the quickest first.
fn delays(server: &Server, address: SocketAddr) -> Vec<Duration> {
    let delay = |order: usize| {
        let order = format!("{}-{order}", address.port());
        let mut waiter = ask(address, &format!("/sse/orderpay/{order}"));
        waiter.until(OPENING);
        let paid = Instant::now();
        assert_eq!(server.payback(&order), 1);
        assert_eq!(waiter.rest(), PAID.as_bytes());
        paid.elapsed()
    };
    let mut delays: Vec<_> = (0..40).map(delay).collect();
    delays.sort();
    delays
}

#[test]
fn events_arrive_at_once_also_when_they_are_compressed() {
    let Some(curl) = tool("curl") else { return };
    for kind in [NGINX, HAPROXY] {
        let Some(scene) = Scene::behind(&kind, &plain(&kind), &[kind.gzip], &[]) else { return };
        let mut curl = Command::new(&curl);
        curl.args(["-siN", "--compressed", "http://127.0.0.1/sse/orderpay/7"]);
        let mut curl = Program::start(&mut curl);
        curl.wait_for_stdout(OPENING);
        assert_eq!(scene.server.payback("7"), 1);
        curl.exit();
        let stdout = curl.stdout();
        let (head, body) = stdout.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, [OPENING, PAID].concat());
        // HAProxy obeys `no-transform`; nginx compresses all the same, and sends each event on.
        let compressed = head.to_lowercase().contains("content-encoding: gzip");
        assert_eq!(compressed, kind.name == NGINX.name, "{head}");
    }
}

/// All at a thirtieth of the usual time: the heartbeat, the server's patience and the proxy's.
#[test]
fn nothing_is_cut_before_its_time() {
    for kind in [NGINX, HAPROXY] {
        let options = ["--timeout=2", "--heartbeat=0.5"];
        let Some(_scene) = Scene::behind(&kind, &plain(&kind), &[kind.hasty], &options) else {
            return;
        };
        let asked = Instant::now();
        let mut waiter = ask(FRONT, "/sse/orderpay/7");
        waiter.until(OPENING);
        let rest = String::from_utf8(waiter.rest()).unwrap();
        assert_eq!(rest.replace(HEARTBEAT, ""), TIMED_OUT, "{}", kind.name);
        assert!(asked.elapsed() >= Duration::from_secs(2), "{:?}", asked.elapsed());
    }
}

/// What proves that the test above could fail.
#[test]
fn without_a_heartbeat_a_silent_stream_is_cut() {
    for kind in [NGINX, HAPROXY] {
        let options = ["--timeout=6", "--heartbeat=0"];
        let Some(_scene) = Scene::behind(&kind, &plain(&kind), &[kind.hasty], &options) else {
            return;
        };
        let asked = Instant::now();
        let mut waiter = ask(FRONT, "/sse/orderpay/7");
        waiter.until(OPENING);
        let rest = waiter.try_rest();
        assert!(rest.is_err() || rest.is_ok_and(|it| it.is_empty()), "{} waited", kind.name);
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    }
}

#[test]
fn who_half_closes_gets_the_whole_answer_through_haproxy() {
    let Some(scene) = Scene::behind(&HAPROXY, &plain(&HAPROXY), &[], &[]) else { return };
    let mut waiter = ask(FRONT, "/sse/orderpay/7");
    waiter.half_close().until(OPENING);
    assert_eq!(scene.server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID.as_bytes());
    assert_eq!(ask(FRONT, "/sse/payback/8").half_close().answer().text(), "ok");
}

/// As README.md warns.
#[test]
fn who_half_closes_is_gone_for_nginx() {
    let Some(scene) = Scene::behind(&NGINX, &plain(&NGINX), &[], &[]) else { return };
    assert_eq!(ask(FRONT, "/sse/orderpay/7").half_close().rest(), b"");
    assert_eq!(scene.server.payback("7"), 0);
}

/// As README.md warns.
#[test]
fn debian_s_default_site_shadows_what_stands_beside_it() {
    let beside = plain(&NGINX) + "include /etc/nginx/sites-available/default;";
    let Some(_scene) = Scene::behind(&NGINX, &beside, &[], &[]) else { return };
    let answer = ask(FRONT, "/sse/orderpay/7").answer();
    assert!(answer.status == 404 && answer.text().contains("nginx"), "{}", answer.text());
}

/// HAProxy hides for up to two heartbeats that a tab was closed, and acknowledges what nobody reads.
#[test]
fn a_result_that_went_to_a_closed_tab_is_there_for_the_page_that_is_opened_again() {
    let Some(scene) = Scene::behind(&HAPROXY, &plain(&HAPROXY), &[], &[]) else { return };
    let mut closed = ask(FRONT, "/sse/orderpay/7");
    closed.until(OPENING);
    drop(closed);
    assert_eq!(scene.server.payback("7"), 1, "the proxy has taken it");
    for _ in ["opened again", "and again"] {
        let mut page = ask(FRONT, "/sse/orderpay/7");
        page.until(OPENING);
        assert_eq!(mask_times(&page.rest()), [SETTLED, PAID].concat());
    }
}

#[test]
fn the_page_works_under_a_path_of_its_own() {
    for (kind, block) in [NGINX, HAPROXY].iter().zip(blocks(PATH_OF_ITS_OWN)) {
        let Some(_scene) = Scene::behind(kind, block.text, &[], &[]) else { return };
        let Some(browser) = Browser::start(Engine::Chromium) else { return };
        browser.open("http://127.0.0.1/pay/sse/test/7");
        browser.wait_until("document.body.dataset.state === 'waiting'");
        assert_eq!(ask(FRONT, "/pay/sse/payback/7").answer().text(), "ok");
        browser.wait_for_text("#message", "支付成功");
        let lines = browser.console().unwrap();
        let complaints: Vec<_> = lines.iter().filter(|line| line.contains("127.0.0.1")).collect();
        assert_eq!(complaints, [""; 0], "{}", kind.name);
    }
}

#[test]
fn a_path_of_its_own_leads_to_the_page_with_and_without_a_slash() {
    let Some(curl) = tool("curl") else { return };
    for (kind, block) in [NGINX, HAPROXY].iter().zip(blocks(PATH_OF_ITS_OWN)) {
        let Some(_scene) = Scene::behind(kind, block.text, &[], &[]) else { return };
        for path in ["/pay", "/pay/", "/pay/sse/test"] {
            let mut curl = Command::new(&curl);
            curl.args(["-sLo", "/dev/null", "-w", "%{http_code} %{url_effective}"]);
            let (_, curl) = Program::run(curl.arg(format!("http://127.0.0.1{path}")));
            let there = curl.stdout().replace(":80/", "/");
            assert_eq!(there, "200 http://127.0.0.1/pay/sse/test", "{}, {path}", kind.name);
        }
    }
}

/// What README.md adds at least.
fn plain(kind: &Kind) -> String {
    let heading = if kind.name == NGINX.name { "### nginx" } else { "### HAProxy" };
    blocks(heading).into_iter().map(|block| block.text).collect()
}

/// A server where README.md has it, with a proxy before it.
struct Scene {
    server: Server,
    _proxy: Proxy,
}

impl Scene {
    fn behind(kind: &Kind, added: &str, edits: &[Edit], options: &[&str]) -> Option<Scene> {
        if !own_network() {
            return None;
        }
        let server = Server::start_on("127.0.0.1:8888", options);
        Some(Scene { server, _proxy: Proxy::start(kind, added, edits)? })
    }
}

/// Sends a request of HTTP/1.0, which no proxy answers in chunks.
fn ask(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"));
    client
}
