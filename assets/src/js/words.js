// The words that scripts say, in the language of the page. An English text is its own key; `{}` stands for the values in their order.
import fr from "../../../translations/fr.scripts.json";

const spoken = { fr }[document.documentElement.lang];

export function say(english, ...values) {
  const words = spoken?.[english] ?? english;
  return words.replace(/\{\}/g, () => values.shift());
}
