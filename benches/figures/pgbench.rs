//! PostgreSQL alone: pgbench sends the same statements over the same data.

use std::{fs, process::Command, time::Duration};

use super::{
    process,
    reads::Statements,
    world::{CUSTOMERS, World, customer_id_in_sql},
};

const CONNECTIONS: &str = "8";
const ROWS: &str = "26";

/// One transaction, all of it sent in one go.
pub struct Script<'a> {
    pub statements: &'a Statements,
    pub bodies: Vec<&'a str>,
    pub with_id: bool,
}

impl Script<'_> {
    /// Roles cannot be parameters, so each tenant has a file of its own; pgbench takes one at random for each transaction.
    fn write(&self, world: &World) -> Vec<std::path::PathBuf> {
        let folder = world.folder.join("pgbench");
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let parameter = if self.with_id { customer_id_in_sql(":n::int") } else { ROWS.to_owned() };
        world
            .read_tenants()
            .iter()
            .map(|tenant| {
                let entry = self.statements.entry_of(tenant).replace("; ", ";\n");
                let bodies: Vec<String> =
                    self.bodies.iter().map(|sql| format!("{};\n", sql.replace("$1", &parameter))).collect();
                let text = format!(
                    "\\set n random(1, {CUSTOMERS})\n\\startpipeline\n{entry};\n{}COMMIT;\n\\endpipeline\n",
                    bodies.concat()
                );
                let file = folder.join(format!("{}.sql", tenant.slug));
                fs::write(&file, text).expect("the target folder can be written to");
                file
            })
            .collect()
    }
}

/// CPU microseconds of PostgreSQL per transaction.
pub async fn measure(world: &World, script: &Script<'_>, lasts: Duration) -> f64 {
    let url = url::Url::parse(&world.url).expect("our own URL");
    let mut command = Command::new(world.programs.join("pgbench"));
    command.args(["-n", "-M", "prepared", "-j", "1", "-c", CONNECTIONS, "-T", &lasts.as_secs().to_string()]);
    for file in script.write(world) {
        command.arg("-f").arg(file);
    }
    command
        .args(["-h", "127.0.0.1", "-U", url.username(), "-p", &url.port().expect("a port").to_string()])
        .arg(url.path().trim_start_matches('/'))
        .env("PGPASSWORD", url.password().unwrap_or_default())
        // Within a pipeline pgbench prepares before the entry is carried out: until then there is some tenant to find tables in.
        .env(
            "PGOPTIONS",
            format!("-c search_path=\"$user\",{},ext -c jit=off", world.read_tenants()[0].schema),
        );
    let before = process::cpu_of(&[world.postmaster]);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("it does not panic")
        .expect("pgbench");
    let spent = process::cpu_of(&[world.postmaster]) - before;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let done: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("number of transactions actually processed: "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)));
    spent.as_secs_f64() * 1e6 / done
}
