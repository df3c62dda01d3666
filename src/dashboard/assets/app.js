fetch("api/studies").then((answer) => answer.text()).then((text) => { document.getElementById("text").textContent = text; });
