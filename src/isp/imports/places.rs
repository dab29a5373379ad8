//! Where rows connect their customers, and what they bring of what was paid: held against the plant, the plans and what is here.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    connection::{Clock, Service},
    mapping::Field,
};
use crate::{
    db::TenantTx,
    error::{FieldError, Result},
    isp::{
        billing::{self, Served, Span},
        installations::{self, Connected, Status},
        plans::{self, Plan},
        plant::{self, NamedNap, Ports},
    },
    types::{CustomerId, InstallationId, NapId},
    words::say,
};

/// The NAPs that a file names, by what it calls them.
pub type Naps = HashMap<String, Vec<NamedNap>>;

/// What is to be done for a customer beside what the row says of the customer.
#[derive(Debug, Clone)]
pub struct Work {
    /// None where an installation is to be made.
    pub at: Option<InstallationId>,
    /// The NAP, its code and the port's number.
    pub port: Option<(NapId, String, i16)>,
    pub installed_on: Option<NaiveDate>,
    pub paid: Option<(Plan, Span)>,
}

/// The NAP that a row means.
pub fn nap_called<'a>(naps: &'a Naps, text: &str) -> Result<&'a NamedNap, FieldError> {
    let wrong = |code, detail: String| FieldError::new(Field::Nap.as_str(), code, detail);
    match naps.get(text).map_or(&[][..], Vec::as_slice) {
        [] => Err(wrong("unknown_nap", say!("There is no NAP “{}”.", text))),
        [one] if !one.is_active => Err(wrong("inactive_nap", say!("NAP “{}” is switched off.", text))),
        [one] => Ok(one),
        [one, ..] => {
            Err(wrong("ambiguous_nap", say!("Several NAPs are called “{}”: write it as {}.", text, one.way)))
        }
    }
}

/// Finds ports that two rows of a file want. The first keeps it.
#[derive(Default)]
pub struct PortTwins(HashMap<(NapId, i16), u32>);

impl PortTwins {
    /// What is wrong with a row beside those already seen.
    pub fn check(&mut self, naps: &Naps, service: &Service, line: u32) -> Option<FieldError> {
        let (text, number) = service.port.as_ref()?;
        let nap = nap_called(naps, text).ok()?;
        let first = *self.0.entry((nap.id, *number)).or_insert(line);
        (first != line).then(|| {
            let detail = say!("Line {} of this file has this port.", first);
            FieldError::new(Field::NapPort.as_str(), "duplicate_in_file", detail)
        })
    }
}

/// What the rows of one batch ask of the database, locked where they take it.
pub struct Directory<'a> {
    pub naps: &'a Naps,
    pub clock: Clock,
    plans: HashMap<String, Plan>,
    ports: Ports,
    connected: HashMap<CustomerId, Vec<Connected>>,
    served: HashMap<InstallationId, Served>,
}

impl<'a> Directory<'a> {
    /// `customers` are those who are here already, locked.
    pub async fn load(
        tx: &TenantTx,
        naps: &'a Naps,
        clock: Clock,
        services: &[&Service],
        customers: &[CustomerId],
    ) -> Result<Self> {
        let wanted: BTreeSet<(NapId, i16)> = services
            .iter()
            .filter_map(|service| service.port.as_ref())
            .filter_map(|(text, number)| Some((nap_called(naps, text).ok()?.id, *number)))
            .collect();
        let names: BTreeSet<&str> =
            services.iter().filter_map(|service| Some(service.paid.as_ref()?.0.as_str())).collect();
        let mut found = Self {
            naps,
            clock,
            plans: HashMap::new(),
            ports: Ports::new(),
            connected: HashMap::new(),
            served: HashMap::new(),
        };
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            found.plans = plans::named(tx, &names).await?;
        }
        if services.iter().any(|service| !service.is_nothing()) && !customers.is_empty() {
            found.connected = installations::of_customers(tx, customers).await?;
            let ids: Vec<InstallationId> = found.connected.values().flatten().map(|one| one.id).collect();
            installations::hold_many(tx, &ids).await?;
            found.served = billing::served(tx, &ids).await?;
        }
        if !wanted.is_empty() {
            let wanted: Vec<(NapId, i16)> = wanted.into_iter().collect();
            found.ports = plant::hold_ports(tx, &wanted).await?;
        }
        Ok(found)
    }

    /// What is to be done for a row; None when all that it says is so already. Names every wrong field.
    pub fn decide(
        &self,
        service: &Service,
        customer: Option<CustomerId>,
    ) -> Result<Option<Work>, Vec<FieldError>> {
        if service.is_nothing() {
            return Ok(None);
        }
        let mut wrong = Vec::new();
        let has_been =
            customer.and_then(|customer| self.connected.get(&customer)).map_or(&[][..], Vec::as_slice);
        let port = service.port.as_ref().map(|(nap, number)| self.port(nap, *number)).transpose();
        let at = match &port {
            Ok(port) => noted(place_of(has_been, port.as_ref()), &mut wrong).flatten(),
            Err(_) => None,
        };
        let port = noted(port, &mut wrong).flatten();
        if let Some((nap, _, number)) = &port
            && has_been.is_empty()
            && let Some(held) = self.ports.get(&(*nap, *number))
            && let Some(refused) = plant::port_refusal(held, customer)
        {
            wrong.push(refused.at(Field::NapPort.as_str()));
        }
        let paid = service.paid.as_ref().map(|(name, until)| {
            let plan = self.plan(name)?;
            self.period(plan, *until, at, service.installed_on)
        });
        let paid = noted(paid.transpose(), &mut wrong).flatten().flatten();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if at.is_some() && paid.is_none() {
            return Ok(None);
        }
        let begun = paid.as_ref().map(|(_, span)| self.clock.day_of(span.starts_at));
        Ok(Some(Work { at, port, installed_on: service.installed_on.or(begun), paid }))
    }

    /// A NAP and a port that it has.
    fn port(&self, text: &str, number: i16) -> Result<(NapId, String, i16), FieldError> {
        let nap = nap_called(self.naps, text)?;
        if !self.ports.contains_key(&(nap.id, number)) {
            let detail = say!("Port must be between 1 and {}", nap.port_capacity);
            return Err(FieldError::new(Field::NapPort.as_str(), "out_of_range", detail));
        }
        Ok((nap.id, nap.code.clone(), number))
    }

    fn plan(&self, name: &str) -> Result<Plan, FieldError> {
        let wrong = |code, detail| Err(FieldError::new(Field::Plan.as_str(), code, detail));
        match self.plans.get(&name.to_lowercase()) {
            None => wrong("unknown_plan", say!("There is no plan “{}”.", name)),
            Some(plan) if !plan.is_active() => {
                wrong("plan_inactive", say!("The plan “{}” is switched off.", name))
            }
            Some(plan) => Ok(plan.clone()),
        }
    }

    /// The period to bring forward; None when it was brought before.
    fn period(
        &self,
        plan: Plan,
        until: DateTime<Utc>,
        at: Option<InstallationId>,
        installed_on: Option<NaiveDate>,
    ) -> Result<Option<(Plan, Span)>, FieldError> {
        let wrong = |code, detail: &str| Err(FieldError::new(Field::PaidUntil.as_str(), code, detail));
        match at.and_then(|at| self.served.get(&at)) {
            Some(Served::Brought { plan: known, until: end }) if *known == plan.id && *end == until => {
                return Ok(None);
            }
            Some(Served::Brought { .. }) => {
                return wrong(
                    "brought_already",
                    "Another plan or day was brought forward before: change it at the subscription.",
                );
            }
            Some(Served::Sold) => {
                return wrong(
                    "sold_already",
                    "Periods were sold to this installation here: sell the next one, too.",
                );
            }
            None => {}
        }
        let earliest = installed_on.map(|day| self.clock.begin_of(day));
        match billing::opening_span(&plan, until, earliest, self.clock.now) {
            Some(span) => Ok(Some((plan, span))),
            None => wrong("before_installation", "This is before the day of installation."),
        }
    }
}

/// The value, or its refusal beside the others.
fn noted<T>(found: Result<T, FieldError>, wrong: &mut Vec<FieldError>) -> Option<T> {
    found.map_err(|error| wrong.push(error)).ok()
}

/// The installation that a row means, of those that its customer has and had. A customer who was never connected gets one; one who
/// was gets no second one by a file.
fn place_of(
    has_been: &[Connected],
    port: Option<&(NapId, String, i16)>,
) -> Result<Option<InstallationId>, FieldError> {
    let stands: Vec<&Connected> = has_been.iter().filter(|one| one.status != Status::Terminated).collect();
    let wanted = port.map(|(nap, _, number)| (*nap, *number));
    let field = if wanted.is_some() { Field::NapPort } else { Field::Plan };
    let wrong = |code, detail: String| Err(FieldError::new(field.as_str(), code, detail));
    if has_been.is_empty() {
        return Ok(None);
    }
    match (wanted, stands.as_slice()) {
        (_, []) => {
            wrong("terminated", "The customer's installation was terminated: add a new one by hand.".into())
        }
        (Some(_), _) => match stands.iter().find(|one| one.port == wanted) {
            Some(one) => Ok(Some(one.id)),
            None => {
                let at = stands.iter().find_map(|one| one.port_label.clone());
                let at = at.unwrap_or_else(|| say("without a port").into());
                wrong(
                    "connected_already",
                    say!("The customer is connected already, {}: move the installation there.", at),
                )
            }
        },
        (None, [one]) => Ok(Some(one.id)),
        (None, _) => wrong(
            "several_installations",
            "The customer has several installations: say which NAP and port.".into(),
        ),
    }
}
