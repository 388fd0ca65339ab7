"""Settings that bound what one call or one item may carry."""

from nextlabel.server.system.settings_section import Count, Section
from nextlabel.server.values.limits import Limits

_LIMITS = Limits()


class LimitSettings(Section):
    """Upper bounds on what one call or one item may carry: sizes in bytes of UTF-8, counts in items."""

    item_text_bytes: Count = _LIMITS.item_text_bytes
    """Text of an item."""

    item_id_bytes: Count = _LIMITS.item_id_bytes
    """Id of an item."""

    item_metadata_bytes: Count = _LIMITS.item_metadata_bytes
    """Metadata of an item, as JSON."""

    metadata_depth: Count = _LIMITS.metadata_depth
    """Nesting of metadata."""

    batch_items: Count = _LIMITS.batch_items
    """Items in one message of an upload."""

    classes: Count = _LIMITS.classes
    """Classes of a label space."""

    class_name_bytes: Count = _LIMITS.class_name_bytes
    """Name of a class."""

    class_description_bytes: Count = _LIMITS.class_description_bytes
    class_examples: Count = _LIMITS.class_examples
    class_example_bytes: Count = _LIMITS.class_example_bytes
    """Description of a class."""

    label_space_bytes: Count = _LIMITS.label_space_bytes
    """Names and descriptions of all classes of a label space together."""

    guidelines_bytes: Count = _LIMITS.guidelines_bytes
    """Text of the guidelines."""

    embedding_dimension: Count = _LIMITS.embedding_dimension
    """Dimension of embeddings that clients give."""

    overlap: Count = _LIMITS.overlap
    """Annotators of one item."""

    asks_per_run: Count = _LIMITS.asks_per_run
    """How often a run asks about an item whose answer fails to come."""

    useless_answers: Count = _LIMITS.useless_answers
    """Refusals, invalid answers and the like about an item, after which no run asks about it any more."""

    query_batch: Count = _LIMITS.query_batch
    """Items in one query batch."""

    lease_items: Count = _LIMITS.lease_items
    """Items on one lease."""

    predict_items: Count = _LIMITS.predict_items
    """Inputs of one prediction."""

    name_bytes: Count = _LIMITS.name_bytes
    """Names and ids that have no limit of their own, such as those of annotators."""

    rationale_bytes: Count = _LIMITS.rationale_bytes
    """Rationale of an answer."""

    feedback_bytes: Count = _LIMITS.feedback_bytes
    """Feedback beside an answer."""

    template_bytes: Count = _LIMITS.template_bytes
    """A prompt template."""

    parameters_bytes: Count = _LIMITS.parameters_bytes
    """Parameters of a strategy or an estimator."""

    address_bytes: Count = _LIMITS.address_bytes
    """Base URLs and page tokens."""

    listed_names: Count = _LIMITS.listed_names
    """Names or ids in one list of a request."""

    def limits(self) -> Limits:
        """Return the limits as the domain takes them."""
        return Limits(**self.model_dump())
