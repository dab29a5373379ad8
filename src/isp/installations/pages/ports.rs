//! The port picker: from LCP over splitter to NAP, then the grid of ports; or from the NAP that is nearest. Works as a form of
//! several steps without scripts; htmx swaps the same part in place.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::PATH;
use crate::{
    access::{CheckedForm, PageUser, Shell},
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        installations::{
            model::Installation,
            picker::{Chosen, Free, Picker, nearby, pick},
            rules,
        },
        plant::{self, PortView},
        site::Site,
    },
    types::{Check, Coordinates, CustomerId, InstallationId, NapId},
    web::parts::{Choice, counted, id_of},
    web::typed::Typed,
    web::{Flash, Form, FormView},
    words::say,
};

/// What a form or an address says of the port so far.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub customer_id: String,
    pub lcp_id: String,
    pub splitter_id: String,
    pub nap_id: String,
    pub nap_port: String,
    pub latitude: String,
    pub longitude: String,
    /// `nearest`, or `nap:` and the id of one.
    pub step: String,
}

impl Asked {
    pub fn of_form(form: &Form) -> Self {
        let text = |name| form.get(name).to_owned();
        Self {
            customer_id: text("customer_id"),
            lcp_id: text("lcp_id"),
            splitter_id: text("splitter_id"),
            nap_id: text("nap_id"),
            nap_port: text("nap_port"),
            latitude: text("latitude"),
            longitude: text("longitude"),
            step: text("step"),
        }
    }

    /// The port that an installation is on.
    pub fn of(installation: &Installation) -> Self {
        let port = installation.port.as_ref();
        Self {
            customer_id: installation.customer.id.to_string(),
            nap_id: port.map(|port| port.nap.to_string()).unwrap_or_default(),
            nap_port: port.map(|port| port.number.to_string()).unwrap_or_default(),
            ..Self::default()
        }
    }

    fn place(&self) -> Option<Coordinates> {
        let typed = Typed::default().with("latitude", &self.latitude).with("longitude", &self.longitude);
        Site::parse(&typed, &mut Check::new())?.place
    }

    /// The port that was chosen: both parts of it, or neither.
    pub fn port(&self) -> Result<Option<(NapId, i16)>> {
        let nap = match self.nap_id.as_str() {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_no_id| Error::invalid("nap_id", "unknown", "There is no such NAP."))?,
            ),
        };
        let port = match self.nap_port.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_no_number| {
                Error::invalid("nap_port", "not_a_number", "Choose one of the ports.")
            })?),
        };
        plant::chosen_port(nap, port)
    }
}

/// The picker as its template reads it.
#[derive(Debug, Default, Serialize)]
pub struct PickerView {
    customer_id: String,
    lcps: Vec<Choice>,
    lcp: String,
    splitters: Vec<Choice>,
    splitter: String,
    naps: Vec<Choice>,
    nap: String,
    ports: Vec<PortCell>,
    nearby: Vec<Near>,
    note: String,
    pub error: String,
}

#[derive(Debug, Serialize)]
struct PortCell {
    number: i16,
    /// `free`, `mine`, `taken`, `reserved` or `faulty`.
    state: &'static str,
    text: String,
    can_choose: bool,
    checked: bool,
}

#[derive(Debug, Serialize)]
struct Near {
    step: String,
    label: String,
    text: String,
    chosen: bool,
}

fn cell(
    port: PortView,
    asked: &Asked,
    customer: Option<CustomerId>,
    own: Option<InstallationId>,
) -> PortCell {
    let (state, text) = match (&port.held_by, &port.reserved_for) {
        (Some(holder), _) if Some(holder.installation) == own => ("mine", say("where it is now").to_owned()),
        (Some(holder), _) => ("taken", holder.name.clone()),
        (None, _) if port.is_faulty => ("faulty", "faulty".to_owned()),
        (None, Some((id, _))) if Some(*id) == customer => {
            ("free", say("reserved for this customer").to_owned())
        }
        (None, Some((_, name))) => ("reserved", say!("reserved for {}", name)),
        (None, None) if port.reserved_until.is_some() => ("reserved", "reserved".to_owned()),
        (None, None) => ("free", "free".to_owned()),
    };
    let can_choose = matches!(state, "free" | "mine");
    PortCell {
        checked: can_choose && asked.nap_port == port.number.to_string(),
        number: port.number,
        state,
        text,
        can_choose,
    }
}

fn choices<Id: ToString>(found: &[Free<Id>]) -> Vec<Choice> {
    found
        .iter()
        .map(|one| Choice::new(one.id.to_string(), format!("{} · {} free", one.label, one.free)))
        .collect()
}

/// Reads what there is to choose from. `own` is the installation that is being moved.
pub async fn view(tx: &TenantTx, asked: &Asked, own: Option<InstallationId>) -> Result<PickerView> {
    let customer: Option<CustomerId> = asked.customer_id.parse().ok();
    let mut chosen = Chosen {
        lcp: asked.lcp_id.parse().ok(),
        splitter: asked.splitter_id.parse().ok(),
        nap: asked.nap_id.parse().ok(),
    };
    let (mut near, mut note) = (Vec::new(), String::new());
    if asked.step == "nearest" || asked.step.starts_with("nap:") {
        match asked.place() {
            Some(place) => near = nearby(tx, place).await?,
            None => note = say("Set the location first: by the map, or by its coordinates.").into(),
        }
        let wanted = asked.step.strip_prefix("nap:").and_then(|id| id.parse().ok());
        let nap: Option<NapId> = wanted.or_else(|| near.first().map(|near| near.nap));
        if nap.is_some() {
            chosen = Chosen { nap, ..Chosen::default() };
        } else if note.is_empty() {
            note = say("No NAP with a free port is on the map.").into();
        }
    }
    let Picker { chosen, lcps, splitters, naps, ports } = pick(tx, chosen, customer).await?;
    Ok(PickerView {
        customer_id: asked.customer_id.clone(),
        lcps: choices(&lcps),
        lcp: chosen.lcp.map(|id| id.to_string()).unwrap_or_default(),
        splitters: choices(&splitters),
        splitter: chosen.splitter.map(|id| id.to_string()).unwrap_or_default(),
        naps: choices(&naps),
        nap: chosen.nap.map(|id| id.to_string()).unwrap_or_default(),
        ports: ports.into_iter().map(|port| cell(port, asked, customer, own)).collect(),
        nearby: near
            .into_iter()
            .map(|one| Near {
                step: format!("nap:{}", one.nap),
                label: one.label,
                text: format!("{} m · {}", one.metres, counted(one.free, "free port", "free ports")),
                chosen: chosen.nap == Some(one.nap),
            })
            .collect(),
        note,
        error: String::new(),
    })
}

/// The fragment that htmx swaps.
#[derive(Serialize)]
struct Fragment<'a> {
    shell: &'a Shell,
    picker: PickerView,
}

#[handler]
pub async fn show_ports(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let picker = db.read_tenant(user.tenant(), async |tx| view(tx, &asked, None).await).await?;
    let fragment = Fragment { shell: &user.shell, picker };
    Ok(user.access.pages().page("installations/_picker.html", &fragment)?)
}

#[derive(Serialize)]
struct PortPage {
    name: String,
    href: String,
    action: String,
    now: String,
    latitude: String,
    longitude: String,
    has_port: bool,
    picker: PickerView,
    form: FormView,
}

async fn page_of(
    user: &PageUser,
    db: &Db,
    id: InstallationId,
    asked: Option<Asked>,
    failure: Option<Error>,
) -> Result<Response> {
    let (one, mut picker) = db
        .read_tenant(user.tenant(), async |tx| {
            let one = rules::get(tx, id).await?;
            let asked = asked.clone().unwrap_or_else(|| Asked::of(&one));
            let asked = Asked { customer_id: one.customer.id.to_string(), ..asked };
            let picker = view(tx, &asked, Some(id)).await?;
            Ok((one, picker))
        })
        .await?;
    let status = if failure.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let action = format!("{PATH}/{id}/port");
    let mut form = FormView::empty(&action, &[]);
    if let Some(failure) = failure {
        form = form.failed(failure)?;
        picker.error = form.summary.join(" ");
    }
    let place = one.draft.site.place;
    let view = PortPage {
        name: one.customer.name.clone(),
        href: format!("{PATH}/{id}"),
        action,
        now: one.port.as_ref().map(crate::isp::installations::model::Port::label).unwrap_or_default(),
        has_port: one.port.is_some(),
        latitude: place.map(|place| place.latitude.to_string()).unwrap_or_default(),
        longitude: place.map(|place| place.longitude.to_string()).unwrap_or_default(),
        picker,
        form,
    };
    let title = say!("Port of {}", one.customer.name);
    user.render_with(status, "installations/port.html", &title, &view)
}

#[handler]
pub async fn choose_port(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "installation")?, None, None).await?)
}

#[handler]
pub async fn move_port(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: InstallationId = id_of(&id, "installation")?;
    let asked = Asked::of_form(&form);
    if !matches!(asked.step.as_str(), "" | "off") {
        return Ok(page_of(&user, &db, id, Some(asked), None).await?);
    }
    let moved = async {
        let port = if asked.step == "off" { None } else { asked.port()? };
        db.in_tenant(user.tenant(), async |tx| rules::connect(tx, &user.by, id, port).await).await
    }
    .await;
    match moved {
        Ok(one) => {
            let said = match &one.port {
                Some(port) => say!("{} is on {} now.", one.customer.name, port.label()),
                None => say!("{} is on no port now.", one.customer.name),
            };
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said)))
        }
        Err(failure @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            Ok(page_of(&user, &db, id, Some(asked), Some(failure)).await?)
        }
        Err(failure) => Err(failure.into()),
    }
}
