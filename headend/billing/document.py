"""Determinants for machines that read JSON: energies as exact kWh text, money as exact text. Pure."""

from headend.billing.determinants import Determinants
from signing.energy import kwh_text


def document(found: Determinants) -> dict[str, object]:
    """Everything that is known of one connection point and month; what is absent is null, never 0."""
    energy = [line for line in found.lines if line.name == "energy"]
    charges = [line for line in found.lines if line.name != "energy"]
    return {
        "connection_point": found.connection_point,
        "month": found.month,
        "meters": list(found.meters),
        "completeness": found.completeness.value,
        "blocks": {quality.name: number for quality, number in sorted(found.blocks.items()) if number},
        "import_kwh": _kwh(found.import_wh),
        "export_kwh": _kwh(found.export_wh),
        "p2p_bought_kwh": kwh_text(found.bought_wh),
        "p2p_sold_kwh": kwh_text(found.sold_wh),
        "residual_import_kwh": _kwh(found.residual_import_wh),
        "residual_export_kwh": _kwh(found.residual_export_wh),
        "p2p_amount_inr": str(sum(line.amount_inr for line in energy)),
        "charges_inr": str(sum(line.amount_inr for line in charges)),
        "lines": [
            {
                "trade": line.trade,
                "name": line.name,
                "kwh": kwh_text(line.energy_wh),
                "inr_per_kwh": str(line.inr_per_kwh),
                "amount_inr": str(line.amount_inr),
            }
            for line in found.lines
        ],
        "open_trades": list(found.open_trades),
        "final": found.is_final,
        "faults": list(found.faults),
    }


def _kwh(wh: int | None) -> str | None:
    return None if wh is None else kwh_text(wh)
