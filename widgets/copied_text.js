// The buttons beside texts that people copy (widgets/copied_text.py), wherever they stand on a page.
(() => {
  const SAID_FOR = 2000; // milliseconds

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      return "Copied";
    } catch { // not over HTTPS, or not allowed: it is selected for the keyboard
      getSelection().selectAllChildren(text);
      return "Selected: press Ctrl+C";
    }
  };

  addEventListener("click", async (event) => {
    const button = event.target.closest?.(".dpmed-copied button");
    if (!button) return;
    button.textContent = await copy(button.parentElement.querySelector("code"));
    setTimeout(() => { button.textContent = "Copy"; }, SAID_FOR);
  });
})();
