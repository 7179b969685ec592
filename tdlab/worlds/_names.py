"""Names that worlds use for people, streets, towns and companies: invented combinations of real parts."""

from __future__ import annotations

__all__ = ["FIRST_NAMES", "LAST_NAMES", "STREETS", "TOWNS", "company_name"]

FIRST_NAMES = tuple(
    "Aaliyah Adrian Agnes Ahmed Aisha Alan Alejandra Alma Amara Amir Ana Anders Anika Anton Arjun Astrid Aurora "
    "Beatriz Ben Bianca Bruno Camila Carlos Carmen Cecilia Chen Chiara Claire Conor Dalia Daniel Daria David "
    "Delphine Dmitri Edith Elena Elias Elif Emeka Emil Emma Enzo Erik Esther Farid Fatima Felix Fiona Francesca "
    "Freya Gabriel Georgia Greta Hamza Hana Hannah Harriet Hassan Helen Henrik Hugo Ibrahim Ida Imani Ines Irene "
    "Isaac Ivan Jamal Jana Jasper Javier Joanna Jonas Josephine Julia Kai Karin Kasper Katarzyna Keiko Kofi Lara "
    "Laszlo Leila Leo Lina Lucas Lucia Magnus Maja Malik Marco Margaret Marisol Marta Mateo Maya Mei Mikael Milan "
    "Mina Miriam Mohan Nadia Naomi Nikolai Nina Noah Nora Olga Oliver Omar Oscar Paolo Patricia Paul Petra Pilar "
    "Priya Quentin Rafael Rahel Rania Ravi Rebecca Rosa Ruben Ruth Samir Samuel Sara Selma Sergio Simon Sofia Soren "
    "Stefan Sven Tamara Tariq Tessa Theo Thomas Tomas Ulrike Valentina Vera Victor Viktoria Walter Wanda Wei Yara "
    "Yasmin Yuki Yusuf Zainab Zoe".split()
)
"""First names, Latin letters only."""

LAST_NAMES = tuple(
    "Abbott Achebe Adler Aguilar Ahlgren Albrecht Alvarez Andersen Antonov Arslan Aubert Baker Banerjee Barros "
    "Bauer Becker Bennett Berger Bianchi Bjork Blanchard Bondar Borg Brennan Brooks Bryant Calderon Campbell "
    "Cardoso Carlsen Castellano Chang Chaudhry Clarke Cohen Colombo Conti Costa Craig Cruz Dahl Dalton Delgado "
    "Demir Diallo Dietrich Donnelly Dubois Dunn Eklund Ellis Engel Eriksen Espinoza Farrell Fernandez Ferrari "
    "Fischer Fleming Fontaine Forsyth Friedman Fujita Gallagher Garner Georgiou Gibson Gomez Grant Greco Gupta Haas "
    "Haddad Hansen Harper Hartmann Hayashi Herrera Hoffmann Holm Horvath Hughes Ibarra Ito Iversen Jansen Jarvis "
    "Jensen Johansson Kaplan Karlsson Kaur Keller Kelly Khan Kimura Klein Koval Kowalski Kruger Lambert Larsen "
    "Laurent Lehmann Lindgren Lombardi Lopez Lund MacLeod Maier Malhotra Marchetti Marin Marsh Martinez Mbeki "
    "Medina Mendes Meyer Mishra Moreau Morgan Moretti Murphy Nakamura Navarro Neumann Nguyen Nielsen Novak Nowak "
    "Obi OConnor Okafor Olsen Ortega Osman Owusu Palmer Park Patel Pereira Petrov Pham Pinto Popescu Quinn Rahman "
    "Ramirez Reyes Ricci Richter Rivera Romano Rossi Roth Rousseau Ruiz Russell Sandberg Santos Sato Schaefer "
    "Schmidt Schneider Sharma Silva Simmons Singh Sorensen Suarez Suzuki Takahashi Tanaka Torres Toth Tran Turner "
    "Ueda Valdez Varga Vasquez Vogel Volkov Wagner Walsh Weber Werner Whitfield Wong Yamada Yilmaz Young Zhang "
    "Ziegler Zimmermann".split()
)
"""Last names, Latin letters only."""

STREETS = (
    "Alder Row", "Bell Street", "Birch Avenue", "Canal Road", "Castle Street", "Chapel Hill", "Church Lane",
    "Cooper Street", "Elm Terrace", "Ferry Road", "Fountain Street", "Garden Walk", "Granary Lane", "Harbour Road",
    "High Street", "Juniper Close", "King Street", "Lime Avenue", "Linden Road", "Market Place", "Meadow Lane",
    "Mill Lane", "Museum Street", "Oak Street", "Orchard Close", "Park Road", "Priory Street", "Quarry Road",
    "Queen Street", "River Walk", "School Lane", "Spring Gardens", "Station Street", "Tanner Street",
    "Union Street", "Victoria Road", "Water Lane", "Weaver Street", "West Parade", "Willow Walk",
)  # fmt: skip
"""Street names without numbers."""

TOWNS = (
    "Aarhus", "Antwerp", "Basel", "Bergen", "Bilbao", "Bologna", "Bordeaux", "Brno", "Bruges", "Cork", "Dresden",
    "Dundee", "Galway", "Ghent", "Graz", "Groningen", "Innsbruck", "Leeds", "Leipzig", "Lille", "Linz", "Ljubljana",
    "Lyon", "Malmo", "Nantes", "Norwich", "Odense", "Porto", "Poznan", "Salzburg", "Seville", "Tampere", "Tartu",
    "Toulouse", "Trieste", "Turin", "Uppsala", "Utrecht", "Valencia", "Verona", "York", "Zaragoza",
)  # fmt: skip
"""Towns of middle size."""

_COMPANY_FRONT = (
    "Alderstone", "Amberline", "Ashgrove", "Bluefinch", "Brackenridge", "Brightwater", "Calloway", "Cinderwood",
    "Coppergate", "Cranfield", "Dovecote", "Eastmere", "Elmbridge", "Fairhaven", "Fernhill", "Foxmoor", "Glenrock",
    "Goldcrest", "Halcyon", "Harrowgate", "Hawksworth", "Heatherby", "Ironbark", "Kestrel", "Larchmont",
    "Lanternway", "Marlowe", "Merrifield", "Millbrook", "Northgate", "Oakhurst", "Old Quay", "Pinecrest",
    "Quayside", "Redfern", "Ridgeway", "Rowanfield", "Saltbox", "Silverdale", "Stonebridge", "Summerlea",
    "Thornbury", "Tidewater", "Underhill", "Wainwright", "Westbrook", "Whitlock", "Windrush", "Wrenfield",
)  # fmt: skip
_COMPANY_END = (
    "Analytics", "Bakery", "Books", "Brewing", "Builders", "Ceramics", "Clinic", "Consulting", "Design", "Electric",
    "Engineering", "Events", "Farms", "Foods", "Furniture", "Glass", "Hotels", "Imports", "Instruments",
    "Interiors", "Labs", "Logistics", "Media", "Motors", "Optics", "Outdoor", "Paper", "Partners", "Press",
    "Printing", "Robotics", "Roasters", "Software", "Studios", "Supply", "Textiles", "Tools", "Travel", "Wines",
)  # fmt: skip


def company_name(offset: int, number: int) -> str:
    """Return an invented company name; different numbers below 1,900 give different names for the same offset."""
    front, end = len(_COMPANY_FRONT), len(_COMPANY_END)
    place = offset + number
    return f"{_COMPANY_FRONT[place % front]} {_COMPANY_END[(place + place // front) % end]}"
