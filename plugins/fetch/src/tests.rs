//! The tool against a fake site.

use super::*;
use strongroom_sdk::fake::Host;
use strongroom_sdk::http::Method;

const URL: &str = "https://example.com/terms";

fn site(answer: Response) -> Host {
    Host::new().route(Method::Get, URL, answer)
}

fn get(answer: Response) -> Result<Page, Error> {
    let _host = site(answer);
    Fetch::get(URL.into(), None)
}

fn html(body: &str) -> String {
    get(Response::new(200, body).with_header("content-type", "text/html; charset=utf-8")).unwrap().text
}

#[test]
fn html_becomes_what_a_reader_sees() {
    let page = get(Response::new(
        200,
        "<!doctype html><html><head><title>Terms &amp;\n conditions</title><style>p{}</style></head>
         <body><!-- no --><h1>Terms</h1><script>if (a < b) { '</p>' }</script>
         <p>Pay <b>in</b>\n 14&nbsp;days&hellip;</p><ul><li>cash<li>card</ul>
         <table><tr><td>a</td><td>b</td></tr><tr><td>1 &lt; 2</td></tr></table><pre>x\n  y</pre>end",
    ))
    .unwrap();
    assert_eq!(page.title.as_deref(), Some("Terms & conditions"));
    assert_eq!(page.text, "# Terms\n\nPay in 14 days…\n\n- cash\n- card\n\na b\n1 < 2\n\nx\n  y\n\nend");
    assert_eq!((page.content_type.as_str(), page.truncated), ("text/html", false));
}

#[test]
fn broken_html_still_gives_text() {
    assert_eq!(html("a < b & c &unknown; &#x41;&#66; &#0; <"), "a < b & c &unknown; AB &#0; <");
    assert_eq!(html("<p title='a > b'>x</p"), "x");
    assert_eq!(html("before<script>never closed"), "before");
    assert_eq!(html("</div></div>x<"), "x<");
    assert_eq!(html("<SCRIPT>no</ScRiPt>yes"), "yes");
    assert_eq!(html("a<!-- b"), "a");
    assert_eq!(html(""), "");
}

#[test]
fn other_text_stays_as_it_is_and_other_kinds_are_refused() {
    let json = Response::new(200, "{\"a\": \"<b>\"}").with_header("content-type", "application/json");
    assert_eq!(get(json).unwrap().text, "{\"a\": \"<b>\"}");
    let latin =
        Response::new(200, [b'f', 0xfc, b'r']).with_header("content-type", "text/plain; charset=ISO-8859-1");
    assert_eq!(get(latin).unwrap().text, "für");
    let image = Response::new(200, [1, 2]).with_header("content-type", "Image/PNG");
    assert_eq!(get(image).unwrap_err(), Error::NotText("image/png".into()));
}

#[test]
fn text_is_cut_between_characters() {
    let _host = site(Response::new(200, "äöü"));
    let page = Fetch::get(URL.into(), Some(2)).unwrap();
    assert_eq!((page.text.as_str(), page.truncated), ("äö", true));
    assert!(!Fetch::get(URL.into(), Some(3)).unwrap().truncated);
}

#[test]
fn a_moved_page_is_reported_and_not_followed() {
    let host = site(Response::new(302, "").with_header("location", "http://169.254.169.254/"));
    let error = Fetch::get(URL.into(), None).unwrap_err();
    assert_eq!(error, Error::Moved("http://169.254.169.254/".into()));
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn each_failure_has_its_own_error() {
    assert_eq!(get(Response::new(404, "")).unwrap_err(), Error::Status(404));
    assert_eq!(get(Response::new(200, vec![b'x'; MOST_BYTES + 1])).unwrap_err(), Error::TooLarge);
    let _host = Host::new();
    assert_eq!(Fetch::get(URL.into(), None).unwrap_err(), Error::NotPermitted);
}
