//! WorkflowTemplates and ClusterWorkflowTemplates, by metadata: parity between regions compares generations.

use super::kind::{Form, Item, Kind};
use super::wire::Meta;
use crate::domain::cron::TemplateRow;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Watched};

/// Templates.
pub struct Templates;

impl Kind for Templates {
    type Key = ObjectKey;
    type Row = TemplateRow;
    const WATCHED: Watched = Watched::Templates;
    const FORM: Form = Form::Metadata;

    fn read(item: Item<'_>) -> Option<(ObjectKey, TemplateRow)> {
        let Item::Object(object) = item else { return None };
        let meta = Meta::of(object).filter(|meta| !meta.name.is_empty())?;
        Some((meta.key(), TemplateRow { uid: meta.uid, generation: meta.generation }))
    }

    fn fact(change: Change<ObjectKey, TemplateRow>) -> Fact {
        Fact::Templates(change)
    }
}
