//! The page, embedded: what stands in `www/` is all there is.

use std::time::Duration;

use crate::config::Config;
use crate::order::OrderId;

/// A part of the page: `/sse/NAME`.
#[derive(Debug, PartialEq)]
pub struct Asset {
    name: &'static str,
    pub content: &'static str,
}

macro_rules! assets {
    ($($name:literal)*) => {
        &[$(Asset { name: $name, content: include_str!(concat!("../www/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "page.css" "page.js" "diagram.js" "dom.js" "map.js" "order.js" "parser.js" "payer.js" "qr.js"
    "stream.js" "tabs.js" "waiter.js" "ways.js" "wire.js" "words.js" "icon.svg"
};

impl Asset {
    /// Its media type, by the end of its name.
    pub fn media(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "css")) => "text/css;charset=UTF-8",
            Some((_, "js")) => "text/javascript;charset=UTF-8",
            _ => "image/svg+xml",
        }
    }
}

/// The page may use what comes with it and nothing else (W3C Content Security Policy).
pub const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../www/page.html");

/// Where the page is told what it can't know.
const PLACEHOLDER: &str = "<!--orderpay-->";

/// The asset of this name.
pub fn asset(name: &[u8]) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name.as_bytes() == name)
}

/// The page for an order; all its addresses are relative to `base`, so that a proxy may serve it
/// under a path of its own.
pub fn page(order: &OrderId, base: &str, config: &Config) -> String {
    let seconds = |it: Duration| format!("{}.{:03}", it.as_secs(), it.subsec_millis());
    let [timeout, heartbeat] = [config.limits.timeout, config.limits.heartbeat].map(seconds);
    let token = config.token.is_some();
    let told = format!(
        "<base href=\"{base}\">\n<meta name=\"orderpay\" data-order=\"{order}\" \
         data-timeout=\"{timeout}\" data-heartbeat=\"{heartbeat}\" data-token=\"{token}\">"
    );
    PAGE.replacen(PLACEHOLDER, &told, 1)
}

/// What a phone gets to see that has paid by the QR code. It begins with `ok`, like the answer to a
/// platform; `settled` tells whether it was this payback that has paid.
pub fn paid(order: &OrderId, settled: bool, written: usize) -> String {
    let (chinese, english) = match settled {
        true => ("已支付", format!("is paid. Pages that were told: {written}.")),
        false => ("早已支付", "was paid already: this changes nothing.".to_owned()),
    };
    format!(
        "ok<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"UTF-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{order}</title>\n\
         <h1>{order}: <span lang=\"zh-CN\">{chinese}</span></h1>\n<p>Order {order} {english}</p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Limits;

    #[test]
    fn the_page_is_told_its_order_once() {
        assert_eq!(PAGE.matches(PLACEHOLDER).count(), 1);
        let (timeout, heartbeat) = (Duration::from_secs(60), Duration::from_millis(500));
        let limits = Limits { timeout, heartbeat, ..Limits::default() };
        let config = Config { limits, ..Config::default() };
        let page = page(&OrderId::default(), "../", &config);
        assert!(page.contains(
            "<base href=\"../\">\n<meta name=\"orderpay\" data-order=\"1\" \
             data-timeout=\"60.000\" data-heartbeat=\"0.500\" data-token=\"false\">"
        ));
    }
}
