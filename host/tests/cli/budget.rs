//! `usage` and `budget`: how far tenants have used their budgets, and a limit that is higher for a while.

use crate::house::House;

const ACME: &str = "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 2\n\
    [[budgets]]\nof = \"spend\"\nper = \"total\"\nlimit = 900\nmode = \"warn\"\nactor = \"*\"\ntool = \"echo\"\n";

fn call(house: &House, key: &str, code: i32) {
    let call = ["call", "echo.echo-u8", "{\"value\":1}", "--run", "r1", "--key-file", key];
    assert_eq!(house.run(call).code, code);
}

fn spent() -> (House, String) {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.file("tenants/globex.toml", "");
    house.file("prices.toml", "[default]\ncall = 300\n");
    house.run(["install", crate::house::component("echo").to_str().unwrap()]).ok();
    let key = house.run(["key", "create", "--tenant", "acme", "--actor", "kim,\"k\""]).ok().stdout.clone();
    house.file("key", key.trim());
    let key = house.path().join("key").to_str().unwrap().to_owned();
    call(&house, &key, 0);
    call(&house, &key, 0);
    call(&house, &key, 6);
    (house, key)
}

#[test]
fn usage_is_a_table_a_document_and_rows() {
    let (house, _) = spent();
    let table = house.run(["usage"]).ok().stdout.clone();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[1]), ["acme", "calls", "per", "total", "2", "2", "0", "0"]);
    assert!(lines[2].contains("spend per total (actor=kim,\"k\" tool=echo), warns"), "{table}");
    let told = house.run(["usage", "acme", "--format", "json"]).ok().json();
    let spend = &told["tenants"][0]["budgets"][1];
    assert_eq!((&spend["actor"], &spend["spent"]), (&"kim,\"k\"".into(), &600.into()));
    assert_eq!((&spend["left"], &spend["mode"]), (&300.into(), &"warn".into()));
    let rows = house.run(["usage", "acme", "--format", "csv"]).ok().stdout.clone();
    assert_eq!(
        rows,
        "tenant,of,per,actor,tool,run,mode,limit,spent,reserved,left,window_start,window_ends,raised_until\r\n\
         acme,calls,total,,,,hard,2,2,0,0,,,\r\n\
         acme,spend,total,\"kim,\"\"k\"\"\",echo,,warn,900,600,0,300,,,\r\n"
    );
    assert!(house.run(["usage", "globex"]).ok().says("there are no budgets").stdout.is_empty());
    house.run(["usage", "nobody"]).failed(3, "not_found");
    house.run(["tools", "--format", "csv"]).failed(2, "usage");
}

#[test]
fn a_budget_is_raised_for_a_while_and_lowered() {
    let (house, key) = spent();
    let of = ["acme", "--of", "calls", "--per", "total"];
    let order = |verb: &str, of: &[&str], rest: &[&str]| {
        let words: Vec<_> = ["budget", verb].into_iter().chain(of.iter().chain(rest).copied()).collect();
        house.run(words)
    };
    let rest = ["--by", "1", "--until", "2h", "--why", "ticket 4711"];
    order("raise", &of, &rest).ok().says("raised by 1 until 20");
    let raises = house.run(["budget", "raises", "--format", "json"]).ok().json();
    assert_eq!(
        (&raises["raises"][0]["raised_by"], &raises["raises"][0]["why"]),
        (&1.into(), &"ticket 4711".into())
    );
    assert!(house.run(["budget", "raises"]).ok().stdout.contains("calls per total"));
    call(&house, &key, 0);
    call(&house, &key, 6);
    order("lower", &of, &[]).ok();
    order("lower", &of, &[]).failed(3, "not_found");
    assert!(house.run(["budget", "raises"]).ok().says("no budget is raised").stdout.is_empty());
    order("raise", &["acme", "--of", "fuel", "--per", "total"], &rest)
        .says("has no budget of fuel per total");
    order("raise", &["nobody", "--of", "calls", "--per", "total"], &rest).says("there is no tenant nobody");
    for wrong in
        [["--by", "0", "--until", "2h", "--why", "x"], ["--by", "1", "--until", "500d", "--why", "x"]]
    {
        assert_eq!(order("raise", &of, &wrong).code, 1);
    }
    for wrong in
        [["--by", "1", "--until", "soon", "--why", "x"], ["--by", "-1", "--until", "2h", "--why", "x"]]
    {
        assert_eq!(order("raise", &of, &wrong).code, 2);
    }
    assert_eq!(order("raise", &["acme", "--of", "tea", "--per", "total"], &rest).code, 2);
    let book = house.run(["audit", "show", "--last", "40"]).ok().stdout.clone();
    assert!(
        book.contains("budget.raise calls per total by 1 until 20")
            && book.contains("budget.lower calls per total")
    );
    assert!(book.contains("budget.alert 100 % of 2 calls in total are used"), "{book}");
}
